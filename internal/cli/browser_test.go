package cli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/demarc/demarc/internal/cli"
)

var screenshots = flag.String("screenshots", "", "write a picture of every page, in every size and colour scheme, into `DIR`")

// serve runs `demarc serve` with more arguments until the test ends, and returns the address that it shows.
func serve(t *testing.T, args ...string) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	in, out := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Main(ctx, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...), cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: out}, func(string) string { return "" })
		_ = out.Close()
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("demarc serve ended with exit code %d", code)
		}
	})
	lines := bufio.NewScanner(in)
	address := regexp.MustCompile(`http://\S+`)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if at := address.FindString(lines.Text()); at != "" {
			go func() { _, _ = io.Copy(os.Stderr, in) }()
			return at
		}
	}
	t.Fatalf("demarc serve says no address: %s", strings.Join(said, "\n"))
	return ""
}

// browser is a Chromium that is watched: what its console complains of, and what it asks elsewhere, fails the test.
type browser struct {
	t      *testing.T
	ctx    context.Context //nolint:containedctx // chromedp keeps the browser in it
	origin string
	login  string // of a provider that may be asked too; "" for none
	axe    string

	mu      sync.Mutex
	wrong   bool // what is looked at is a page of an error
	watched []string
}

func openBrowser(t *testing.T, origin string) *browser {
	t.Helper()
	if testing.Short() {
		t.Skip("no browser in a short run")
	}
	found, err := exec.CommandContext(t.Context(), "../../tools/browser").Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 3 {
		t.Skipf("THE PAGES ARE NOT TESTED IN A BROWSER: %s", exit.Stderr)
	} else if err != nil {
		t.Fatal(err)
	}
	where := strings.Fields(string(found))
	axe, err := os.ReadFile(where[1])
	if err != nil {
		t.Fatal(err)
	}
	options := append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(where[0]), chromedp.UserDataDir(profile(t)), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Headless,
		chromedp.WSURLReadTimeout(2 * time.Minute),
		chromedp.Flag("disable-features", "BackForwardCache"), // a page from there fires no event that tells of its arrival
	}, flags("disable-dev-shm-usage", "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-extensions", "hide-scrollbars", "no-default-browser-check")...)
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	b := &browser{t: t, ctx: ctx, origin: origin, axe: string(axe)}
	if err := chromedp.Run(ctx); err != nil { // it starts here, and ends with this context
		t.Fatalf("start %s: %v", where[0], err)
	}
	chromedp.ListenTarget(ctx, b.watch)
	b.do(network.Enable(), log.Enable(), runtime.Enable(), page.Enable())
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.watched {
			t.Error(w)
		}
	})
	return b
}

// profile is a directory for a browser. Its processes may still write to it for a moment after the browser has ended.
func profile(t *testing.T) string {
	dir, err := os.MkdirTemp("", "browser") //nolint:usetesting // which fails the test if it cannot remove it at once
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 50 {
			if err = os.RemoveAll(dir); err == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("left behind: %v", err)
	})
	return dir
}

func flags(names ...string) []chromedp.ExecAllocatorOption {
	var out []chromedp.ExecAllocatorOption
	for _, n := range names {
		out = append(out, chromedp.Flag(n, true))
	}
	return out
}

func (b *browser) watch(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	note := func(format string, args ...any) {
		b.watched = append(b.watched, fmt.Sprintf(format, args...))
	}
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, b.origin+"/") && !strings.HasPrefix(u, "data:") && u != "about:blank" && (b.login == "" || !strings.HasPrefix(u, b.login+"/")) {
			note("%s asks %s", e.DocumentURL, u)
		}
	case *runtime.EventExceptionThrown:
		note("exception: %s", e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			note("console: %s %v", e.Type, e.Args)
		}
	case *log.EventEntryAdded:
		ofLogin := b.login != "" && strings.HasPrefix(e.Entry.URL, b.login+"/") // its complaints are not ours
		told := b.wrong && e.Entry.Source == log.SourceNetwork                  // a page that is an error is one on purpose
		if e.Entry.Level == log.LevelError && !ofLogin && !told {
			note("console: %s (%s)", e.Entry.Text, e.Entry.URL)
		}
	}
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var at string
		_ = chromedp.Run(b.ctx, chromedp.Location(&at))
		b.t.Fatalf("at %s: %v", at, err)
	}
}

func (b *browser) open(path string) { b.t.Helper(); b.do(chromedp.Navigate(b.origin + path)) }

// click clicks the first element that a selector finds, and waits for the page that it leads to.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.leads("click "+selector, chromedp.Click(selector, chromedp.ByQuery))
}

// leads does what leads to another page, and waits for that.
func (b *browser) leads(what string, actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, actions...); err != nil {
		b.t.Fatalf("%s at %s: %v", what, b.location(), err)
	}
}

func (b *browser) location() *url.URL {
	b.t.Helper()
	var at string
	b.do(chromedp.Location(&at))
	u, err := url.Parse(at)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

func (b *browser) text(selector string) string {
	b.t.Helper()
	var out string
	b.do(chromedp.Text(selector, &out, chromedp.ByQuery))
	return strings.Join(strings.Fields(out), " ")
}

func (b *browser) eval(script string, to any) {
	b.t.Helper()
	b.do(chromedp.Evaluate(script, to, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
}

func (b *browser) wants(what, got, want string) {
	b.t.Helper()
	if !strings.Contains(got, want) {
		b.t.Errorf("%s: %q does not have %q", what, got, want)
	}
}

const (
	orders = "arn%3Aaws%3Ards%3Aeu-west-1%3A444455556666%3Adb%3Areviews"
)

// looks is every page as it is looked at. Those whose name begins with "error" are answered with one.
var looks = []struct{ name, path string }{
	{"overview", "/"},
	{"line", "/line"},
	{"line-services", "/line?by=service"},
	{"line-layers", "/line?by=model&rows=layers"},
	{"moves", "/moves"},
	{"moves-each", "/moves?view=each"},
	{"declare-assign", "/declarations/new?kind=assignment&service=aws/s3"},
	{"gaps-exposed", "/gaps?view=each&exposure=exposed&status=all"},
	{"gaps", "/gaps"},
	{"gaps-each", "/gaps?view=each&gap=failing"},
	{"assumptions", "/assumptions"},
	{"declarations", "/declarations"},
	{"declare", "/declarations/new?kind=exception&check=aws/s3/public-access-blocked&service=aws/s3"},
	{"resources", "/resources"},
	{"resources-grouped", "/resources?by=service&provider=aws"},
	{"resource", "/resource?id=" + orders + "&set=auto_minor_upgrade&to=false"},
	{"parties", "/parties"},
	{"sources", "/sources"},
	{"frameworks", "/frameworks"},
	{"catalog", "/catalog?q=database"},
	{"catalog-service", "/catalog/service?service=aws/rds"},
	{"catalog-compare", "/catalog/compare?service=aws/ec2&service=aws/rds&service=aws/lambda"},
	{"audit", "/audit"},
	{"nothing", "/resources?q=there-is-no-such-thing"},
	{"gaps-resolved", "/gaps?status=resolved"},
	{"line-accounts", "/line?by=account&columns=16"},
	{"earlier", "/?scan=1"},
	{"declare-accept", "/declarations/new?kind=acceptance&team=payments"},
	{"declare-attest", "/declarations/new?kind=attestation&duty=resilience.restore-testing"},
	{"declarations-all", "/declarations?show=all"},
	{"compare-nothing", "/catalog/compare"},
	{"compare-all", "/catalog/compare?service=aws/ec2&service=azure/vm&all=yes"},
	{"frameworks-ccm", "/frameworks?framework=ccm-v4&provider=aws"},
	{"error-nowhere", "/nowhere"},
	{"error-filter", "/gaps?severity=terrible"},
}

// scanned makes a store of the example estate with two scans, between which an operator left: the line has moved.
func scanned(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	estate := filepath.Join(dir, "northwind")
	if err := os.CopyFS(estate, os.DirFS("../../examples/northwind")); err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(dir, "history.db")
	assess := func() {
		var said bytes.Buffer
		code := cli.Main(t.Context(), []string{"assess", estate, "--store", at, "--quiet", "-o", filepath.Join(dir, "report")}, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: &said}, func(string) string { return "" })
		if code != 0 {
			t.Fatalf("assess ended with %d: %s", code, &said)
		}
	}
	assess()
	declared := filepath.Join(estate, "demarc.yaml")
	text, err := os.ReadFile(declared)
	if err != nil {
		t.Fatal(err)
	}
	left := bytes.Replace(text, []byte("operator: platform9}"), []byte("operator: self}"), 1)
	if bytes.Equal(left, text) {
		t.Fatal("the estate has no platform9 any more")
	}
	if err := os.WriteFile(declared, left, 0o600); err != nil {
		t.Fatal(err)
	}
	assess()
	return at
}

// Every page, on a phone and on a desktop, in the light and in the dark: it fits, and axe finds nothing serious.
func TestPagesInABrowser(t *testing.T) {
	b := openBrowser(t, serve(t, "--store", scanned(t)))
	sizes := []struct {
		name          string
		width, height int64
		scheme        string
		axe           bool
	}{{"390-dark", 390, 844, "dark", true}, {"1280-light", 1280, 900, "light", true}}
	if *screenshots != "" {
		for name, width := range map[string]int64{"390": 390, "1280": 1280, "1920": 1920} {
			for _, scheme := range []string{"light", "dark"} {
				size := sizes[0]
				size.name, size.width, size.height, size.scheme, size.axe = name+"-"+scheme, width, 1080, scheme, false
				sizes = append(sizes, size)
			}
		}
	}
	for _, size := range sizes {
		b.do(
			emulation.SetDeviceMetricsOverride(size.width, size.height, 1, size.width < 800),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: size.scheme}}),
		)
		for _, look := range looks {
			b.mu.Lock()
			b.wrong = strings.HasPrefix(look.name, "error")
			b.mu.Unlock()
			b.open(look.path)
			if title := b.text("h1"); title == "" || !b.wrong && title == "Something went wrong here" {
				t.Errorf("%s has the title %q", look.path, title)
			}
			var width int64
			b.eval(`document.documentElement.scrollWidth`, &width)
			if width > size.width {
				var wide []string
				b.eval(`[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, svg, pre")).slice(0, 3).map(e => e.tagName + "." + (e.getAttribute("class") || ""))`, &wide)
				t.Errorf("%s at %s is %d wide: %s", look.path, size.name, width, wide)
			}
			if size.axe {
				b.accessible(look.path + " at " + size.name)
			}
			if *screenshots != "" {
				var picture []byte
				b.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
					picture, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).WithClip(&page.Viewport{Width: float64(size.width), Height: 2400, Scale: 1}).Do(ctx)
					return err
				}))
				if err := os.WriteFile(filepath.Join(*screenshots, look.name+"-"+size.name+".png"), picture, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// Where nothing was scanned, or a scan found nothing, pages say so.
func TestEmptyPagesInABrowser(t *testing.T) {
	dir := t.TempDir()
	empty, none := filepath.Join(dir, "empty"), filepath.Join(dir, "none.db")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for at, input := range map[string]string{none: filepath.Join(dir, "missing"), filepath.Join(dir, "zero.db"): empty} {
		cli.Main(t.Context(), []string{"assess", input, "--store", at, "--quiet", "-o", filepath.Join(dir, "report")}, cli.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, func(string) string { return "" })
		b := openBrowser(t, serve(t, "--store", at))
		b.do(emulation.SetDeviceMetricsOverride(390, 844, 1, true))
		for _, path := range []string{"/", "/line", "/gaps", "/resources", "/sources", "/catalog"} {
			b.open(path)
			if at == none && path != "/catalog" {
				b.wants(path, b.text("h1"), "Nothing has been read yet")
			} else if at != none {
				b.wants(path, b.text(".banner"), "found no resource")
			}
			b.accessible(path + " of an empty store")
		}
	}
}

// accessible runs axe over the page and tells what it finds that is serious or worse.
func (b *browser) accessible(what string) {
	b.t.Helper()
	b.do(chromedp.Evaluate(b.axe, nil))
	var found string
	b.eval(`axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify(r.violations.filter(v => v.impact === "serious" || v.impact === "critical").map(v => ({id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + " " + n.failureSummary)}))))`, &found)
	var violations []struct {
		ID, Help string
		Nodes    []string
	}
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range violations {
		b.t.Errorf("%s: %s, %s: %s", what, v.ID, v.Help, strings.Join(v.Nodes, "\n"))
	}
}

func TestJourneys(t *testing.T) {
	origin := serve(t, "--example")
	b := openBrowser(t, origin)
	sizes := map[string][2]int64{"desktop": {1280, 900}, "phone": {390, 844}}
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			b.t = t
			defer func() { b.t = t }()
			b.do(emulation.SetDeviceMetricsOverride(size[0], size[1], 1, size[0] < 800))
			t.Run("from the line to what is behind a cell, and back", b.lineJourney)
			t.Run("from a gap to its ground, and attest", b.gapJourney)
			t.Run("search with the keyboard", b.keyboardJourney)
			t.Run("what if", b.whatIfJourney)
			t.Run("without a script", b.scriptlessJourney)
		})
	}
}

// Somebody logs in at a provider of OpenID Connect, sees who they are and no more than they may, and logs out.
func TestLoginJourney(t *testing.T) {
	var providing http.Handler
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { providing.ServeHTTP(w, r) }))
	t.Cleanup(idp.Close)
	issuer := strings.Replace(idp.URL, "127.0.0.1", "localhost", 1)
	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return at
	}
	clients := map[string]*storage.Client{"demarc": storage.WebClient("demarc", "secret", "http://"+address+"/login/callback")}
	providing = exampleop.SetupServer(issuer, storage.NewStorageWithClients(storage.NewUserStore(issuer), clients), slog.New(slog.DiscardHandler), false, op.WithAllowInsecure())
	access := write("access.yaml", "url: http://"+address+"\noidc: {issuer: "+issuer+", client_id: demarc, client_secret_file: "+write("secret", "secret")+"}\ngrants: [{group: \"*\", role: viewer}]\n")
	b := openBrowser(t, serve(t, "--example", "--access", access, "--listen", address))
	b.login = issuer

	b.open("/gaps?view=each")
	b.do(chromedp.SendKeys(`input[name=username]`, "test-user@localhost", chromedp.ByQuery), chromedp.SendKeys(`input[name=password]`, "verysecure", chromedp.ByQuery))
	b.leads("log in", chromedp.Submit(`form`, chromedp.ByQuery))
	if at := b.location(); at.Path != "/gaps" || at.RawQuery != "view=each" {
		t.Errorf("logging in leads to %s", at)
	}
	b.wants("who one is", b.text(".who summary"), "test-user@zitadel.ch")
	b.accessible("gaps of a viewer")
	var offered int
	b.eval(`document.querySelectorAll('a[href*="/declarations/new"], a[href^="/audit"]').length`, &offered)
	if offered > 0 {
		t.Errorf("a viewer is offered %d ways to declare", offered)
	}
	b.do(chromedp.Click(`.who summary`, chromedp.ByQuery))
	b.click(`.who button`)
	b.wants("after logging out", b.text("h1"), "You are logged out")
	b.accessible("logged out")
	b.open("/")
	b.wants("where one is led then", b.location().String(), issuer)
}

func (b *browser) lineJourney(t *testing.T) {
	b.t = t
	b.open("/")
	b.click(`nav.side a[href="/line"]`)
	b.wants("title", b.text("h1"), "The line")
	b.click(`nav[aria-label="Columns"] a[href*="by=service"]`)
	b.click(`tr.duty td a`)
	at := b.location()
	if at.Path != "/resources" || at.Query().Get("duty") == "" || at.Query().Get("service") == "" {
		t.Errorf("a cell leads to %s", at)
	}
	b.wants("what is in force", b.text(".chips"), "duty:")
	total := regexp.MustCompile(`of ([\d,]+) shown`).FindStringSubmatch(b.text(".pager"))
	if len(total) != 2 {
		t.Fatalf("the list does not say how long it is: %q", b.text(".pager"))
	}
	rows := strings.Count(fetch(t, b.origin+"/resources.csv?"+at.RawQuery), "\n") - 1
	if fmt.Sprint(rows) != total[1] {
		t.Errorf("the export has %d rows, and the page says %s", rows, total[1])
	}
	b.do(chromedp.NavigateBack())
	if at := b.location(); at.Path != "/line" || at.Query().Get("by") != "service" {
		t.Errorf("back leads to %s", at)
	}
}

func fetch(t *testing.T, at string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", at, answer.Status, err)
	}
	return string(bytes.TrimSpace(body)) + "\n"
}

func (b *browser) gapJourney(t *testing.T) {
	b.t = t
	b.open("/gaps?gap=failing")
	b.click(`tbody th a`)
	b.wants("the address", b.location().RawQuery, "view=each")
	b.click(`tbody td a.name`)
	b.wants("the stack", b.text(".stack"), "Facility")
	if at := b.location(); at.Path != "/resource" || at.Fragment == "" {
		t.Errorf("a gap leads to %s", at)
	}
	b.do(chromedp.Click(`.acts summary`, chromedp.ByQuery))
	b.click(`.acts a[href*="kind=attestation"]`)
	b.do(chromedp.SetValue(`textarea[name=text]`, "https://wiki.northwind.example/seen", chromedp.ByQuery))
	b.click(`.ask button.primary`)
	b.wants("the list", b.text("main"), "https://wiki.northwind.example/seen")
	b.open("/audit")
	b.wants("the audit log", b.text("tbody"), "ttest")
	b.open("/declarations")
	b.click(`tbody form button`)
	b.wants("the list", b.text("main"), "Nobody has declared anything here.")
}

func (b *browser) keyboardJourney(t *testing.T) {
	b.t = t
	b.open("/resources")
	b.do(chromedp.KeyEvent(kb.Tab))
	var focused string
	b.eval(`document.activeElement.textContent`, &focused)
	b.wants("the first stop", focused, "Skip to content")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.eval(`document.activeElement.id`, &focused)
	b.wants("where it leads", focused, "content")
	// Not KeyEvent, which sends a character too, whatever the page did with the key.
	b.do(input.DispatchKeyEvent(input.KeyDown).WithKey("/").WithCode("Slash").WithText("/"), input.DispatchKeyEvent(input.KeyUp).WithKey("/").WithCode("Slash"))
	b.eval(`document.activeElement.id`, &focused)
	b.wants("where / leads", focused, "q")
	b.leads("search", chromedp.KeyEvent("ledger"+kb.Enter))
	if at := b.location(); at.RawQuery != "q=ledger" {
		t.Errorf("the search is at %s", at)
	}
	b.wants("the list", b.text("tbody"), "ledger")
}

func (b *browser) whatIfJourney(t *testing.T) {
	b.t = t
	b.open("/resource?id=" + orders)
	b.click(`a.button[href*="set=auto_minor_upgrade"][href*="to=false"]`)
	b.wants("what would be", b.text("[role=status]"), "Engine patching")
}

func (b *browser) scriptlessJourney(t *testing.T) {
	b.t = t
	b.do(emulation.SetScriptExecutionDisabled(true))
	defer func() { b.do(emulation.SetScriptExecutionDisabled(false)) }()
	b.open("/resources")
	b.do(chromedp.SendKeys(`#q`, "ledger", chromedp.ByQuery))
	b.click(`.searchrow button`)
	if at := b.location(); at.RawQuery != "q=ledger" {
		t.Errorf("the search is at %s", at)
	}
	b.click(`tbody th a`)
	b.wants("the stack", b.text(".stack"), "Facility")
	b.click(`nav.side a[href="/line"]`)
	b.wants("title", b.text("h1"), "The line")
}
