package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc/examples"
	"github.com/demarc/demarc/internal/auth"
	"github.com/demarc/demarc/internal/store"
	"github.com/demarc/demarc/internal/web"
	"github.com/demarc/demarc/internal/web/assumptions"
	"github.com/demarc/demarc/internal/web/catalog"
	"github.com/demarc/demarc/internal/web/declarations"
	"github.com/demarc/demarc/internal/web/frameworks"
	"github.com/demarc/demarc/internal/web/gaps"
	"github.com/demarc/demarc/internal/web/line"
	"github.com/demarc/demarc/internal/web/moves"
	"github.com/demarc/demarc/internal/web/overview"
	"github.com/demarc/demarc/internal/web/parties"
	"github.com/demarc/demarc/internal/web/resources"
	"github.com/demarc/demarc/internal/web/sources"
)

func (a *app) serveCommand() *cobra.Command {
	var where storeFlags
	var access accessFlags
	var example bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Show a store in the browser: the line, gaps, moves, and the ground of every answer",
		Long: `Shows what a store knows: as pages that are complete without a script, ask nothing of any other host, and have every
filter in their address; and to programs as JSON under /api/v1 (described at /api/v1/openapi.json). Without --access it
serves the person at this machine alone. /healthz, /readyz and /metrics are for those who run it.`,
		Example: `  demarc serve --example
  demarc assess exports/ --store demarc.db; demarc serve --store demarc.db`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if example && where.place != "" {
				return errors.New("--example shows a store of its own: leave --store out")
			}
			if example {
				dir, err := a.exampleStore(ctx)
				if err != nil {
					return fmt.Errorf("assess the example estate: %w", err)
				}
				defer func() { _ = os.RemoveAll(dir) }()
				where.place = filepath.Join(dir, exampleFile)
			} else if !a.given(&where) {
				return errors.New("name a store with --store, or look at the example estate with --example")
			}
			st, err := a.openStore(ctx, &where, store.Options{MustBe: true})
			if err != nil {
				return err
			}
			book, err := a.rulebook()
			if err != nil {
				return errors.Join(err, st.Close())
			}
			a.patience.Store(int64(lastAnswers + patience))
			ctx, stop := context.WithCancel(ctx)
			w := warm(ctx, st, a.log)
			logout := ""
			if access.access != "" {
				logout = auth.LogoutPath
			}
			handler, err := a.gate(&access, st, a.newServer(st, newKnowledge(book, st), example, logout, w.ready))
			if err == nil {
				err = a.listen(ctx, &access, handler)
			}
			stop()
			<-w.ended
			return errors.Join(err, st.Close())
		},
	}
	cmd.Flags().StringVar(&access.address, "listen", "127.0.0.1:8377", "`HOST:PORT` to listen on; port 0 takes any that is free")
	cmd.Flags().StringVar(&access.access, "access", "", "who may do what, and how they show who they are: `FILE`; needed past this machine (docs/serving.md)")
	cmd.Flags().StringVar(&access.cert, "tls-cert", "", "certificate chain for TLS, in PEM: `FILE`")
	cmd.Flags().StringVar(&access.key, "tls-key", "", "its private key, in PEM: `FILE`")
	where.addPlace(cmd)
	cmd.Flags().BoolVar(&example, "example", false, "assess the example estate into a temporary store, and show that")
	return cmd
}

// exampleFile is the name of the temporary store.
const exampleFile = "example.db"

// exampleStore makes a directory with a store of the example estate, for the caller to remove.
func (a *app) exampleStore(ctx context.Context) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "demarc-example-"); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	inputs := filepath.Join(dir, "northwind")
	inside, err := fs.Sub(examples.Northwind, "northwind")
	if err != nil {
		return dir, err
	}
	if err := os.CopyFS(inputs, inside); err != nil {
		return dir, err
	}
	to, err := a.recorder(ctx, &storeFlags{place: filepath.Join(dir, exampleFile)}, true)
	if err != nil {
		return dir, err
	}
	defer func() { err = errors.Join(err, to.store.Close()) }()
	r, err := a.pipeline(ctx, &inputFlags{recorder: to}, []string{inputs})
	if err != nil {
		return dir, err
	}
	defer r.close()
	_, err = to.record(ctx, r)
	return dir, err
}

// history is a store, as far as pages read and write it.
type history interface {
	web.History
	overview.Counts
	overview.Attention
	overview.Lines
	resources.Lister
	resources.Reader
	gaps.Reader
	moves.Reader
	assumptions.Findings
	declarations.Book
	declarations.Log
}

// newSite brings the pages and what they read together.
func newSite(h history, k *knowledge, c web.Config) *web.Site {
	c.History, c.Words, c.Version = h, words{k}, version()
	return web.New(c,
		overview.Page{Counts: h, Attention: h, Lines: h},
		line.Page{Reader: h},
		moves.Page{Reader: h},
		gaps.Page{Reader: h},
		assumptions.Page{Findings: h, Beliefs: k},
		declarations.Page{Book: h, Log: h, Scope: h},
		resources.Page{Lister: h, Reader: h, Explainer: k},
		parties.Page{Counts: h, Estate: k},
		sources.Page{Counts: h, Estate: k},
		frameworks.Page{Mapping: k, Counts: h},
		catalog.Page{Knowledge: k, Used: h},
	)
}

// version is the version of this program.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// lastAnswers is how long requests that are under way may take after the server was told to end.
const lastAnswers = 10 * time.Second

// listen serves until ctx ends, and then lets requests that are under way finish.
func (a *app) listen(ctx context.Context, f *accessFlags, handler http.Handler) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second, // of a page; a long download moves it on as it is taken
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	scheme, serve := "http", server.Serve
	if f.cert != "" {
		scheme, serve = "https", func(l net.Listener) error { return server.ServeTLS(l, f.cert, f.key) }
	}
	fmt.Fprintf(a.Err, "demarc: %s://%s\n", scheme, l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastAnswers)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		return errors.Join(err, server.Close())
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// isLoopback reports whether a host is this machine, by an address or a name that can be no other.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
