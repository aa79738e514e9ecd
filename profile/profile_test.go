package profile

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

func TestSaveAndLoad(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if _, err := Load("http://127.0.0.1:8080"); !errors.Is(err, ErrNone) {
		t.Errorf("Load of nothing: %v", err)
	}
	path, err := Save(Profile{Server: "http://127.0.0.1:8080/", ClientID: "c", ClientSecret: "s"})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want mode 0600", info.Mode(), err)
	}
	if _, err := Save(Profile{Server: "https://h/base", ClientID: "other", ClientSecret: "x"}); err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"http://127.0.0.1:8080", "http://127.0.0.1:8080/"} {
		if p, err := Load(server); err != nil || p != (Profile{"http://127.0.0.1:8080", "c", "s"}) {
			t.Errorf("Load(%s) = %v, %v", server, p, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("http://127.0.0.1:8080"); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a profile that others may read: %v", err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("http://127.0.0.1:8080"); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a broken profile: %v", err)
	}
	for _, bad := range []string{"", "127.0.0.1:8080", "ftp://h", "http://"} {
		if _, err := Path(bad); err == nil {
			t.Errorf("Path(%q) has no error", bad)
		}
	}
}

func TestSplit(t *testing.T) {
	for base, want := range map[string]string{
		"http://h:1/datastore/default/r4":   "http://h:1 default true",
		"http://h/x/datastore/trial/r4/":    "http://h/x trial true",
		"http://h/fhir":                     "http://h/fhir  false",
		"http://h/datastore//r4":            "http://h  false",
		"http://h/datastore/default/stu3/x": "http://h default false",
	} {
		server, store, ok := Split(base)
		if got := fmt.Sprint(server, " ", store, " ", ok); got != want {
			t.Errorf("Split(%s) = %s, want %s", base, got, want)
		}
	}
}

// TestBearer asks for a token once, and again when it is about to end.
func TestBearer(t *testing.T) {
	lives, asked := 3600, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/auth/token" {
			fmt.Fprint(w, r.Header.Get("Authorization"))
			return
		}
		asked++
		if id, secret, _ := r.BasicAuth(); id != "c" || secret != "s%2B" {
			t.Errorf("the client is %s %s", id, secret)
		}
		fmt.Fprintf(w, `{"access_token":"%s-%d","token_type":"Bearer","expires_in":%d}`, r.PostFormValue("grant_type"), asked, lives)
	}))
	defer server.Close()
	b := &Bearer{Profile: Profile{server.URL, "c", "s+"}, Ask: Ask{Scope: "system/*.rs", DataStore: "default"}, Next: http.DefaultTransport}
	web := &http.Client{Transport: b}
	want := func(text string) {
		t.Helper()
		res, err := web.Get(server.URL + "/x")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var got [100]byte
		n, _ := res.Body.Read(got[:])
		if string(got[:n]) != text {
			t.Errorf("got %s, want %s", got[:n], text)
		}
	}
	want("Bearer client_credentials-1")
	want("Bearer client_credentials-1")
	b.token.Expires = b.token.Expires.Add(-3590 * 1e9)
	b.Ask.Patient = "p"
	want("Bearer urn:tarn:oauth:grant-type:mint-2")
}

func TestTokenRefused(t *testing.T) {
	answers := map[string]string{
		`{"error":"invalid_scope","error_description":"no such scope"}`: "no such scope (invalid_scope)",
		`<html>`: "is it a Tarn server",
		`{}`:     "is it a Tarn server",
	}
	for text, want := range answers {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
		_, err := Profile{Server: server.URL}.Token(context.Background(), nil, Ask{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
		server.Close()
	}
}
