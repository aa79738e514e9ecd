package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/upstream"
)

// An IdentityProvider is an upstream provider that users sign in through at the
// server's own authorization server. It is known by its ID. The authorization
// servers whose tokens a data store takes are in DataStore.Identity.
type IdentityProvider struct {
	upstream.Provider
	// ClientSecret says where the secret is found; nil for a public client.
	ClientSecret *SecretValue `json:"clientSecret,omitempty"`
	// MetadataFile is a path from the folder of the file, of the metadata of a SAML
	// provider; it is read into Metadata.
	MetadataFile string `json:"metadataFile,omitempty"`

	// there is what the server says of it.
	there upstream.Known
}

// A SecretValue says where a secret is found, such as that of a client or the
// value of a header: it is never in a plan or what is exported.
type SecretValue struct {
	// Env names a variable of the environment; File is a path from the folder of
	// the file.
	Env  string `json:"env,omitempty"`
	File string `json:"file,omitempty"`
	// Kept leaves the secret as it is, as what is exported does.
	Kept bool `json:"kept,omitempty"`

	value string
}

// read finds the secret, which is "" where it is kept.
func (v *SecretValue) read(dir string) error {
	given := 0
	for _, is := range []bool{v.Env != "", v.File != "", v.Kept} {
		if is {
			given++
		}
	}
	if given != 1 {
		return errors.New("say where its value is: env: VARIABLE, file: PATH, or kept: true for the one that it has")
	}
	switch {
	case v.Kept:
		return nil
	case v.Env != "":
		text, found := os.LookupEnv(v.Env)
		if !found {
			return fmt.Errorf("the variable %s is not set", v.Env)
		}
		v.value = text
	case v.File != "":
		path := v.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		v.value = strings.TrimRight(string(content), "\r\n")
	}
	if v.value == "" {
		return errors.New("its value is empty")
	}
	return nil
}

func (i IdentityProvider) key() string { return i.ID }

// locate reads the secret and the metadata.
func (i *IdentityProvider) locate(dir string) error {
	if i.MetadataFile != "" {
		if err := i.readMetadata(dir); err != nil {
			return fmt.Errorf("identity provider %s, metadataFile: %w", i.ID, err)
		}
	}
	if i.ClientSecret == nil {
		return nil
	}
	if err := i.ClientSecret.read(dir); err != nil {
		return fmt.Errorf("identity provider %s, clientSecret: %w", i.ID, err)
	}
	return nil
}

// readMetadata puts the file into its place.
func (i *IdentityProvider) readMetadata(dir string) error {
	path := i.MetadataFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if i.Metadata != "" {
		return errors.New("there is metadata beside it; give one of both")
	}
	i.Metadata, i.MetadataFile = string(text), ""
	asked := upstream.Asked{Provider: i.Provider}
	return asked.Check()
}

func (s *state) readProviders(ctx context.Context, a *admin.Admin) error {
	list, err := a.Providers(ctx)
	for _, one := range list {
		i := IdentityProvider{Provider: one.Provider, there: one}
		if one.Sum != nil {
			i.ClientSecret = &SecretValue{Kept: true}
		}
		s.IdentityProviders = append(s.IdentityProviders, i)
	}
	return err
}

// planProviders plans the upstream providers; those whose secret alone differs
// too.
func (p *planner) planProviders(wanted, there []IdentityProvider) {
	const name = "identity provider"
	compare(p, name, wanted, there, IdentityProvider.key, kind[IdentityProvider]{
		create: setProvider,
		remove: func(i IdentityProvider) step {
			return silent(func(ctx context.Context, a *admin.Admin) error {
				_, err := a.DeleteProvider(ctx, i.ID)
				return err
			})
		},
		update: func(_, to IdentityProvider, fields []string) (step, error) {
			if slices.Contains(fields, "kind") {
				return nil, errors.New("users are linked to their accounts at it, which cannot become one of another kind; give the other one another id")
			}
			if slices.Contains(fields, "issuer") {
				return nil, errors.New("users are linked to their accounts at its issuer, which cannot become another one; give the other one another id")
			}
			return setProvider(to), nil
		},
		ignore: []string{"clientSecret"},
	})
	for _, w := range wanted {
		at := slices.IndexFunc(there, func(t IdentityProvider) bool { return t.ID == w.ID })
		planned := slices.ContainsFunc(p.changes, func(c Change) bool { return c.Kind == name && c.Name == w.ID })
		switch kept := w.ClientSecret != nil && w.ClientSecret.Kept; {
		case kept && (at < 0 || there[at].ClientSecret == nil):
			p.errs = append(p.errs, fmt.Errorf("%s %s: it has no secret yet that could be kept; say where it is, by env or file", name, w.ID))
		case at < 0 || planned || kept || there[at].there.Same(w.secret()):
		default:
			p.changes = append(p.changes, Change{Action: Update, Kind: name, Name: w.ID, Differences: []string{"clientSecret: another one"}, run: setProvider(w)})
		}
	}
}

// secret is what is read by the file; "" for none.
func (i *IdentityProvider) secret() string {
	if i.ClientSecret == nil {
		return ""
	}
	return i.ClientSecret.value
}

func setProvider(i IdentityProvider) step {
	return silent(func(ctx context.Context, a *admin.Admin) error {
		_, err := a.SetProvider(ctx, upstream.Asked{Provider: i.Provider, ClientSecret: i.secret(), Kept: i.ClientSecret != nil && i.ClientSecret.Kept})
		return err
	})
}
