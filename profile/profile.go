// Package profile owns what a user's commands know of a server: the credentials
// of a client, kept in the user's configuration folder with mode 0600, and the
// access tokens that they give.
//
// It leaves to others: which client may do what (smart), and flags (cmd/tarn).
package profile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// ErrNone says that nothing is known of a server.
var ErrNone = errors.New("profile: no profile of this server")

// A Profile is the credentials of a client at one server.
type Profile struct {
	// Server is the server's base URL, without a final slash.
	Server string `json:"server"`
	// ClientID and ClientSecret are those of a confidential client.
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

// Path is the file of a server's profile.
func Path(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("%q is not the base URL of a server; write http:// or https:// and a host", server)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	name := url.PathEscape(strings.ReplaceAll(u.Scheme+"-"+strings.ToLower(u.Host)+strings.TrimRight(u.Path, "/"), ":", "_"))
	return filepath.Join(dir, "tarn", "profiles", name+".json"), nil
}

// Save writes a profile, in place of an earlier one of the server, and returns
// the file's path. Only the user may read it.
func Save(p Profile) (string, error) {
	p.Server = strings.TrimRight(p.Server, "/")
	path, err := Path(p.Server)
	if err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-") // with mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return path, nil
}

// Load reads the profile of a server, or returns ErrNone. A file that others may
// read is refused.
func Load(server string) (Profile, error) {
	var p Profile
	path, err := Path(server)
	if err != nil {
		return p, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, ErrNone
	}
	if err != nil {
		return p, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return p, fmt.Errorf("the profile %s has mode %v; its owner alone may read it: chmod 600", path, info.Mode())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(text, &p); err != nil || p.ClientID == "" {
		return p, fmt.Errorf("the profile %s cannot be read; remove it and make it anew", path)
	}
	p.Server = strings.TrimRight(server, "/")
	return p, nil
}

// Split takes the base URL of a data store apart:
// "https://h/datastore/trial/r4" is of the server "https://h".
func Split(base string) (server, dataStore string, ok bool) {
	server, rest, ok := strings.Cut(base, "/datastore/")
	dataStore, release, _ := strings.Cut(strings.TrimRight(rest, "/"), "/")
	return server, dataStore, ok && dataStore != "" && strings.EqualFold(release, "r4")
}
