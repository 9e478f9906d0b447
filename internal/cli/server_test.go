package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/client"
	"github.com/demarc/demarc/internal/auth"
	"github.com/demarc/demarc/internal/store"
)

// exampleServer serves the example estate to programs with a token, and returns one of each role.
func exampleServer(t *testing.T) (address string, tokens map[demarc.AccessRole]string) {
	t.Helper()
	a := &app{Streams: Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, getenv: func(string) string { return "" }, log: slog.New(slog.DiscardHandler)}
	st, err := store.Open(t.Context(), filepath.Join(exampleDir(t, a), exampleFile), store.Options{MustBe: true})
	if err != nil {
		t.Fatal(err)
	}
	book, err := a.rulebook()
	if err != nil {
		t.Fatal(err)
	}
	tokens = map[demarc.AccessRole]string{}
	for _, role := range demarc.AccessRoles {
		grant := demarc.Grant{Role: role}
		if role == demarc.Owner {
			grant.Teams = []string{"payments"}
		}
		now := time.Now()
		_, secret, err := st.MakeToken(t.Context(), "test", demarc.Token{Name: string(role), Grant: grant, By: "test", Made: now, Expires: now.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		tokens[role] = secret
	}
	c := auth.Config{URL: "http://localhost"}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	w := warm(ctx, st, a.log)
	server := httptest.NewServer(a.newServer(st, newKnowledge(book, st), true, auth.LogoutPath, w.ready).behind(auth.NewGate(c, st, a.log)))
	t.Cleanup(func() {
		server.Close()
		stop()
		<-w.ended
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL, tokens
}

func exampleDir(t *testing.T, a *app) string {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	dir, err := a.exampleStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestServer(t *testing.T) {
	address, tokens := exampleServer(t)
	t.Run("programs use the store over the network", func(t *testing.T) { programs(t, address, tokens) })
	t.Run("many readers are served", func(t *testing.T) { manyReaders(t, address, tokens[demarc.Viewer]) })
}

// A request that is under way when the server is told to end is answered, however long beyond the patience of other commands.
func TestTheLastAnswers(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan int, 1)
	t.Setenv("TMPDIR", t.TempDir())
	go func() {
		ended <- Main(ctx, []string{"serve", "--example", "--listen", "127.0.0.1:0"}, Streams{In: strings.NewReader(""), Out: io.Discard, Err: out}, func(string) string { return "" })
	}()
	said, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, in) }()
	host := strings.TrimSpace(strings.TrimPrefix(said, "demarc: http://"))
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	const body = "kind=exception"
	if _, err := io.WriteString(conn, "POST /declarations HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "+strconv.Itoa(len(body))+"\r\nHost: "+host+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	other, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host) // the server has read what came before
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(other, "GET /healthz HTTP/1.1\r\nConnection: close\r\nHost: "+host+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(other); err != nil {
		t.Fatal(err)
	}
	stop()
	select {
	case code := <-ended:
		t.Fatalf("ended with %d while a request was under way", code)
	case <-time.After(patience + 300*time.Millisecond):
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _ = answer.Body.Close(); answer.StatusCode != http.StatusOK { // the form again, with what is wrong
		t.Errorf("the last answer is %s", answer.Status)
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func programs(t *testing.T, address string, tokens map[demarc.AccessRole]string) {
	as := func(role demarc.AccessRole) *client.Client {
		c, err := client.New(address, tokens[role])
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ctx := t.Context()
	viewer := as(demarc.Viewer)

	overview, err := viewer.Overview(ctx, demarc.At{}, demarc.Filter{})
	if err != nil || overview.Scan.Organization != "Northwind" || overview.Yours.Total == 0 {
		t.Fatalf("overview %+v, %v", overview, err)
	}
	// A list that is gone through page by page has as many items as it says, each once, and what it counts agrees.
	seen := map[demarc.ResourceID]bool{}
	var database demarc.ResourceID
	for r, err := range viewer.Resources(ctx, demarc.At{}, demarc.Filter{}, demarc.OrderWorst) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[r.ID] {
			t.Errorf("%s twice", r.ID)
		}
		seen[r.ID] = true
		if r.Service == "aws/rds" && database == "" {
			database = r.ID
		}
	}
	if len(seen) != overview.Resources {
		t.Errorf("%d resources, and the overview has %d", len(seen), overview.Resources)
	}
	failing := 0
	for f, err := range viewer.Findings(ctx, demarc.At{}, demarc.Filter{Gaps: []demarc.Gap{demarc.GapFailing}}, demarc.FindingsOpen) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Gap != demarc.GapFailing || !f.Resolved.At.IsZero() {
			t.Fatalf("finding %+v", f)
		}
		failing++
	}
	if failing == 0 {
		t.Error("nothing fails")
	}
	answer, err := viewer.Resource(ctx, demarc.At{}, database)
	if err != nil || len(answer.Duties) != len(demarc.Duties) || len(answer.Facts) == 0 {
		t.Errorf("%s: %d duties, %d facts, %v", database, len(answer.Duties), len(answer.Facts), err)
	}
	if _, err := viewer.Resource(ctx, demarc.At{}, "nothing"); !errors.Is(err, demarc.ErrNotFound) {
		t.Errorf("a resource that is not there: %v", err)
	}
	line, err := viewer.Line(ctx, demarc.At{}, demarc.Filter{}, demarc.ByProvider, 12)
	if err != nil || len(line.Columns) < 4 || len(line.Cells) == 0 {
		t.Errorf("line with %d columns, %v", len(line.Columns), err)
	}
	var export bytes.Buffer
	if err := viewer.Export(ctx, &export, demarc.At{}, demarc.Filter{Providers: []string{"aws"}}); err != nil || bytes.Count(export.Bytes(), []byte("\n")) < 50 || !strings.HasPrefix(export.String(), `{"demarc":{"schema":1`) {
		t.Errorf("export: %d bytes, %v", export.Len(), err)
	}

	// Who may do what.
	for role, want := range map[demarc.AccessRole]client.Me{
		demarc.Viewer: {Read: true}, demarc.Owner: {Read: true, Declare: true}, demarc.Admin: {Read: true, Declare: true, Administer: true},
	} {
		me, err := as(role).Me(ctx)
		if me.Name = ""; err != nil || me != want {
			t.Errorf("%s is %+v, %v", role, me, err)
		}
	}
	// What else a page shows comes through too, and agrees with the numbers of the whole.
	kinds, err := viewer.FindingGroups(ctx, demarc.At{}, demarc.Filter{Gaps: []demarc.Gap{demarc.GapFailing}})
	left := 0
	for _, err := range viewer.Findings(ctx, demarc.At{}, demarc.Filter{Gaps: []demarc.Gap{demarc.GapFailing}}, demarc.FindingsOpen) {
		if err != nil {
			t.Fatal(err)
		}
		left++
	}
	for _, g := range kinds {
		left -= g.Count
	}
	if err != nil || len(kinds) == 0 || left != 0 {
		t.Errorf("%d groups of findings, %d more findings than they count, %v", len(kinds), left, err)
	}
	if points, err := viewer.Trend(ctx, demarc.At{}, demarc.Filter{}, demarc.Period{}); err != nil || len(points) != 1 || points[0].Yours != overview.Yours {
		t.Errorf("trend %+v, %v", points, err)
	}
	if spots, err := viewer.BlindSpots(ctx, demarc.At{}, demarc.Filter{}); err != nil || len(spots) == 0 {
		t.Errorf("%d blind spots, %v", len(spots), err)
	}
	if moves, err := viewer.MoveGroups(ctx, "", demarc.Filter{}, demarc.Period{Since: time.Now().AddDate(0, 0, -7)}); err != nil || len(moves) != 0 {
		t.Errorf("%d moves of a first scan, %v", len(moves), err)
	}
	if versions, err := viewer.Versions(ctx, "", database); err != nil || len(versions) != 1 {
		t.Errorf("%d versions, %v", len(versions), err)
	}
	if would, err := viewer.WhatIf(ctx, demarc.At{}, database, "auto_minor_upgrade", "false"); err != nil || would.Setting != "auto_minor_upgrade" {
		t.Errorf("what if %+v, %v", would, err)
	}
	if would, err := viewer.WhatIf(ctx, demarc.At{}, "arn:aws:rds:eu-west-1:444455556666:db:reviews", "backup_retention", "14"); err != nil || len(would.Checks) != 1 || would.Checks[0].Would != demarc.CheckPass {
		t.Errorf("what if backups were kept for longer: %+v, %v", would, err)
	}
	if list, err := viewer.Services(ctx, demarc.Filter{Text: "managed database", Providers: []string{"aws", "gcp"}}); err != nil || len(list) == 0 || len(list) > 60 {
		t.Errorf("%d managed databases, %v", len(list), err)
	}
	service, err := viewer.Service(ctx, "aws/rds")
	settable := slices.ContainsFunc(service.Facts, func(f client.ServiceFact) bool {
		return f.Name == "auto_minor_upgrade" && f.Settable && len(f.Options) == 2 && len(f.Lines) > 0
	})
	if err != nil || !settable {
		t.Errorf("facts of aws/rds %+v, %v", service.Facts, err)
	}
	if list, err := viewer.Frameworks(ctx); err != nil || len(list) == 0 {
		t.Errorf("%d frameworks, %v", len(list), err)
	} else if f, err := viewer.Framework(ctx, demarc.At{}, demarc.Filter{Providers: []string{"aws"}}, list[0].ID); err != nil || len(f.Controls) == 0 || f.Controls[0].Duties[0].Resources == 0 {
		t.Errorf("framework %+v, %v", f, err)
	}
	if declared, err := viewer.Estate(ctx, demarc.At{}); err != nil || len(declared.Engagements) == 0 {
		t.Errorf("estate %+v, %v", declared, err)
	}
	for _, err := range viewer.Audit(ctx, "") {
		if status(err) != 403 {
			t.Errorf("a viewer reads the audit log: %v", err)
		}
	}
	for e, err := range as(demarc.Admin).Audit(ctx, "") {
		if err != nil || e.Hash == "" {
			t.Errorf("audit %+v, %v", e, err)
		}
	}

	accept := client.NewDeclaration{Kind: demarc.Acceptance, Scope: "tag=team%3Dpayments", Team: "payments", Text: "Ours."}
	if _, err := viewer.Declare(ctx, "", accept); status(err) != 403 {
		t.Errorf("a viewer declares: %v", err)
	}
	made, err := as(demarc.Owner).Declare(ctx, "", accept)
	if err != nil || made.ID == "" {
		t.Fatal(err)
	}
	accept.Team = "shop"
	if _, err := as(demarc.Owner).Declare(ctx, "", accept); status(err) != 403 {
		t.Errorf("an owner declares for another team: %v", err)
	}
	list, err := viewer.Declarations(ctx, "")
	if err != nil || len(list) != 1 || list[0].ID != made.ID || list[0].Team != "payments" {
		t.Errorf("declarations %+v, %v", list, err)
	}
	if err := as(demarc.Admin).Withdraw(ctx, "", made.ID); err != nil {
		t.Error(err)
	}
	stranger, err := client.New(address, "demarc_GUESS")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Overview(ctx, demarc.At{}, demarc.Filter{}); status(err) != 401 {
		t.Errorf("a guessed token: %v", err)
	}
}

func status(err error) int {
	if p, ok := errors.AsType[*client.Problem](err); ok {
		return p.Status
	}
	return 0
}

// manyReaders read from many sides at once.
func manyReaders(t *testing.T, address, token string) {
	var group sync.WaitGroup
	for reader := range 16 {
		group.Go(func() {
			c, err := client.New(address, token)
			if err != nil {
				t.Error(err)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for i := range 10 {
				f := demarc.Filter{Providers: []string{[]string{"aws", "azure", "gcp", "kubernetes"}[(reader+i)%4]}}
				o, err := c.Overview(ctx, demarc.At{}, f)
				if err != nil || o.Resources == 0 {
					t.Errorf("%s: %d resources, %v", f, o.Resources, err)
					return
				}
			}
		})
	}
	group.Wait()
}
