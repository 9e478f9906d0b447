package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/client"
)

// serve answers each request with what answer returns for its method and address.
func serve(t *testing.T, answer func(r *http.Request) (int, any)) *client.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body := answer(r)
		w.WriteHeader(status)
		if text, ok := body.(string); ok {
			fmt.Fprint(w, text)
		} else if body != nil {
			_ = json.NewEncoder(w).Encode(body)
		}
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL+"/", "s3cret")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestListsAreFetchedPageByPage(t *testing.T) {
	var asked []string
	c := serve(t, func(r *http.Request) (int, any) {
		asked = append(asked, r.URL.RequestURI())
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			return 401, nil
		}
		if r.URL.Query().Get("after") == "" {
			return 200, demarc.Paged[demarc.Finding]{Items: []demarc.Finding{{Duty: "guest.patching", Severity: demarc.High}}, Next: "n&1"}
		}
		return 200, demarc.Paged[demarc.Finding]{Items: []demarc.Finding{{Duty: "network.exposure"}}}
	})
	var duties []demarc.DutyID
	for f, err := range c.Findings(context.Background(), demarc.At{Organization: "Northwind", Scan: 3}, demarc.Filter{Providers: []string{"aws"}}, demarc.FindingsAll) {
		if err != nil {
			t.Fatal(err)
		}
		duties = append(duties, f.Duty)
	}
	if fmt.Sprint(duties) != "[guest.patching network.exposure]" {
		t.Errorf("got %v", duties)
	}
	if want := "[/api/v1/findings?org=Northwind&provider=aws&scan=3&status=all /api/v1/findings?after=n%261&org=Northwind&provider=aws&scan=3&status=all]"; fmt.Sprint(asked) != want {
		t.Errorf("asked %v, want %s", asked, want)
	}
}

func TestARefusalIsAProblem(t *testing.T) {
	status, body := 404, any(`{"status":404,"title":"Not Found","detail":"resource \"x\": not found"}`)
	c := serve(t, func(*http.Request) (int, any) { return status, body })
	_, err := c.Resource(context.Background(), demarc.At{}, "x")
	if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Status != 404 || !errors.Is(err, demarc.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	status, body = 502, "<html>a proxy"
	err = c.Withdraw(context.Background(), "", "a/b")
	if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Status != 502 || errors.Is(err, demarc.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	status, body = 200, "not JSON"
	if _, err := c.Overview(context.Background(), demarc.At{}, demarc.Filter{}); err == nil {
		t.Error("no error")
	}
}

func TestIdsAreOnePartOfAPath(t *testing.T) {
	var path string
	c := serve(t, func(r *http.Request) (int, any) { path = r.URL.EscapedPath(); return 204, nil })
	if err := c.Withdraw(context.Background(), "", "a/b ?"); err != nil || path != "/api/v1/declarations/a%2Fb%20%3F" {
		t.Errorf("%s, %v", path, err)
	}
}

func TestAnExportIsPassedOn(t *testing.T) {
	c := serve(t, func(*http.Request) (int, any) { return 200, "{}\n{}\n" })
	var out bytes.Buffer
	if err := c.Export(context.Background(), &out, demarc.At{}, demarc.Filter{}); err != nil || out.String() != "{}\n{}\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestAServerHasAnAddress(t *testing.T) {
	for _, address := range []string{"", "demarc.example", "ftp://demarc.example", "http://"} {
		if _, err := client.New(address, ""); err == nil {
			t.Errorf("%q is an address", address)
		}
	}
}
