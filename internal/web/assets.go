package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed static
var static embed.FS

// assetPrefix is where the style, the script and the icon lie. Their names hold the hash of their content, so that a
// browser need never ask again.
const assetPrefix = "/assets/"

type asset struct {
	content []byte
	kind    string
}

var assets = sync.OnceValues(func() (byName map[string]string, byPath map[string]asset) {
	byName, byPath = map[string]string{}, map[string]asset{}
	entries, err := fs.ReadDir(static, "static")
	if err != nil {
		panic("web: " + err.Error())
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	for _, e := range entries {
		content, err := static.ReadFile("static/" + e.Name())
		if err != nil {
			panic("web: " + err.Error())
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(e.Name())
		at := assetPrefix + strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:6]) + ext
		byName[e.Name()] = at
		byPath[at] = asset{content: content, kind: kinds[ext]}
	}
	return byName, byPath
})

// Asset returns the address of an embedded file, such as "demarc.css".
func Asset(name string) string {
	byName, _ := assets()
	at, ok := byName[name]
	if !ok {
		panic("web: no asset " + name)
	}
	return at
}

func serveAsset(w http.ResponseWriter, r *http.Request) {
	_, byPath := assets()
	a, ok := byPath[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.content) // the reader has gone
}
