package server

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/profile"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/synth"
)

// The demonstration's clients.
const (
	demoAppID     = "demo-app"
	demoServiceID = "demo-service"
)

// A demoUser is somebody who can sign in to the demonstration.
type demoUser struct {
	role, username, name, password string
	fhirUser                       string
	roles                          []string
}

// A demonstration is what a demo with authorization has beside the data.
type demonstration struct {
	base    string // of the server
	patient string // id of the patient user's patient
	other   string // id of another patient
	users   []demoUser
	profile string // path of the saved profile; "" where it could not be saved
}

// prepareDemo fills the data store of a demo and, with authorization, makes the
// people and apps of it.
func (s *Server) prepareDemo(ctx context.Context, f *folder, g *guard) error {
	if !s.cfg.Demo {
		return nil
	}
	if err := s.fillDemo(ctx, f); err != nil {
		return fmt.Errorf("demo data: %w", err)
	}
	if g.authority == nil {
		return nil
	}
	d, err := g.authority.demonstrate(ctx, f.storage.Records())
	if err != nil {
		return fmt.Errorf("demo users and apps: %w", err)
	}
	s.demo = d
	secret, err := g.authority.demoClients(ctx, s.cfg.BaseURL)
	if err != nil {
		return fmt.Errorf("demo users and apps: %w", err)
	}
	if d.profile, err = profile.Save(profile.Profile{Server: s.cfg.BaseURL, ClientID: demoServiceID, ClientSecret: secret}); err != nil {
		s.log.Warn("the profile for tarn token was not saved", "error", err)
	}
	return nil
}

// demonstrate makes the demonstration's users where they are not there.
func (a *authority) demonstrate(ctx context.Context, records kv.DB) (*demonstration, error) {
	people, err := demoPeople()
	if err != nil {
		return nil, err
	}
	d := &demonstration{base: a.cfg.BaseURL, patient: people[0].id, other: people[1].id, users: []demoUser{
		{role: "patient", username: "demo-patient", name: people[0].name, fhirUser: "Patient/" + people[0].id},
		{role: "practitioner", username: "demo-practitioner", name: people[0].doctorName, fhirUser: people[0].doctor, roles: []string{authz.RolePractitioner}},
		{role: "administrator", username: "demo-admin", name: people[1].doctorName, fhirUser: people[1].doctor, roles: []string{authz.RoleAdmin}},
	}}
	passwords, err := a.demoPasswords(ctx, records, len(d.users))
	if err != nil {
		return nil, err
	}
	for i := range d.users {
		d.users[i].password = passwords[i]
		if err := a.ensureUser(ctx, &d.users[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", d.users[i].username, err)
		}
	}
	return d, nil
}

// demoPasswords are made once and kept sealed, to be printed at each start.
func (a *authority) demoPasswords(ctx context.Context, records kv.DB, n int) (passwords []string, err error) {
	const purpose = "demo passwords"
	err = records.Update(ctx, func(tx kv.Tx) error {
		mark, err := demoTable.Get(tx, DefaultStore)
		if err != nil {
			return err
		}
		if len(mark.Passwords) > 0 {
			opened, err := a.box.Open(purpose, mark.Passwords)
			if err != nil {
				return err
			}
			return json.Unmarshal(opened, &passwords)
		}
		passwords = nil
		for range n {
			passwords = append(passwords, newDemoPassword())
		}
		plain, err := json.Marshal(passwords)
		if err != nil {
			return err
		}
		mark.Passwords = a.box.Seal(purpose, plain)
		return demoTable.Put(tx, DefaultStore, mark, time.Time{})
	})
	if err == nil && len(passwords) != n {
		err = fmt.Errorf("%d passwords of %d users are kept", len(passwords), n)
	}
	return passwords, err
}

// newDemoPassword has 80 random bits and is easy to type.
func newDemoPassword() string {
	b := make([]byte, 10)
	rand.Read(b)
	text := strings.ToLower(base32.StdEncoding.EncodeToString(b))
	return text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
}

func (a *authority) ensureUser(ctx context.Context, u *demoUser) error {
	d := a.login.Directory()
	_, err := d.Find(ctx, u.username)
	if !errors.Is(err, login.ErrNotFound) {
		return err
	}
	_, err = d.Add(ctx, login.NewUser{
		Name: u.name, Username: u.username, Password: u.password, Roles: u.roles,
		Profiles: []login.Profile{{DataStore: DefaultStore, FHIRUser: u.fhirUser}},
	})
	return err
}

// demoClients registers the sample app and the demo service at the server's
// present address, and gives the service a new secret.
func (a *authority) demoClients(ctx context.Context, base string) (secret string, err error) {
	app := smart.Client{
		ID: demoAppID, Type: smart.Public, Name: "Sample SMART app", Publisher: "Tarn",
		RedirectURIs: []string{base + demoPrefix + "/app"}, LaunchURL: base + demoPrefix + "/launch",
		Scopes: "launch launch/patient openid fhirUser offline_access patient/*.rs user/*.rs",
		Grants: []string{"authorization_code", "refresh_token"}, DataStores: []string{DefaultStore},
	}
	if origin, ok := originOf(base); ok {
		app.Origins = []string{origin}
	}
	if _, err := a.ensureClient(ctx, app); err != nil {
		return "", err
	}
	return a.ensureClient(ctx, smart.Client{
		ID: demoServiceID, Type: smart.Symmetric, Name: "Demo service", Publisher: "Tarn", MayMint: true,
		Scopes: "system/*.cruds user/*.cruds patient/*.cruds", Grants: []string{"client_credentials"}, DataStores: []string{DefaultStore},
	})
}

// ensureClient registers a client, or changes what is registered of it. The
// secret of a symmetric one is always new.
func (a *authority) ensureClient(ctx context.Context, c smart.Client) (secret string, err error) {
	clients := a.smart.Clients()
	_, secret, err = clients.Add(ctx, c)
	if err == nil || fhir.KindOf(err) != fhir.KindConflict {
		return secret, err
	}
	if _, err := clients.Update(ctx, c); err != nil || c.Type != smart.Symmetric {
		return "", err
	}
	return clients.RotateSecret(ctx, c.ID)
}

// A demoPerson is a patient of the population, and their doctor.
type demoPerson struct{ id, name, doctor, doctorName string }

var errEnough = errors.New("enough people")

// demoPeople are two patients with different doctors. The population is always
// the same.
func demoPeople() ([]demoPerson, error) {
	var people []demoPerson
	err := synth.New(synth.Options{Patients: demoPatients, Seed: demoSeed}).Each(func(b synth.Bundle) error {
		for _, r := range b.Resources {
			if r.Type != "Patient" {
				continue
			}
			p, err := readDemoPerson(r)
			if err != nil {
				return err
			}
			if len(people) == 0 || people[0].doctor != p.doctor {
				people = append(people, p)
			}
		}
		if len(people) == 2 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return people, nil
	}
	return nil, errors.Join(err, errors.New("the population has no two patients with different doctors"))
}

func readDemoPerson(r synth.Resource) (demoPerson, error) {
	var patient struct {
		Name []struct {
			Family string
			Given  []string
		}
		GeneralPractitioner []struct{ Reference, Display string }
	}
	if err := json.Unmarshal(r.JSON, &patient); err != nil {
		return demoPerson{}, err
	}
	if len(patient.Name) == 0 || len(patient.GeneralPractitioner) == 0 {
		return demoPerson{}, fmt.Errorf("the patient %s has no name or no doctor", r.ID)
	}
	name, doctor := patient.Name[0], patient.GeneralPractitioner[0]
	return demoPerson{r.ID, strings.Join(append(name.Given, name.Family), " "), doctor.Reference, doctor.Display}, nil
}

// announce prints what there is to try.
func (d *demonstration) announce(out io.Writer, metrics string) {
	base := d.base + rest.Prefix + DefaultStore + "/r4"
	fmt.Fprintf(out, "Tarn serves %d synthetic patients at %s\n\n", demoPatients, base)
	fmt.Fprintf(out, "Open the sample SMART app in a browser, %s%s/launch, and sign in as\n", d.base, demoPrefix)
	for _, u := range d.users {
		fmt.Fprintf(out, "  %-14s %-18s password %s\n", u.role, u.username, u.password)
	}
	if d.profile == "" {
		fmt.Fprintf(out, "\nThe client %s gets tokens for the command line; no profile of it could be saved.\n", demoServiceID)
	} else {
		tarn := program(os.Args[0])
		fmt.Fprintf(out, `
Try, in another shell:
  TOKEN=$(%s token --server %s --scope 'system/*.rs' | tail -n 1)
  curl -H "Authorization: Bearer $TOKEN" '%s/Patient?_count=3&_pretty=true'
  curl -H "Authorization: Bearer $TOKEN" '%s/Observation?code=http://loinc.org%%7C8867-4&_sort=-date&_count=5&_pretty=true'

  # what one patient's app may see, and what it may not
  TOKEN=$(%s token --server %s --scope 'patient/*.rs' --patient %s | tail -n 1)
  curl -H "Authorization: Bearer $TOKEN" '%s/Patient/%s?_pretty=true'
  curl -H "Authorization: Bearer $TOKEN" '%s/Patient/%s?_pretty=true'

This uses the client %s, whose secret is in
%s
`, tarn, d.base, base, base, tarn, d.base, d.patient, base, d.patient, base, d.other, demoServiceID, d.profile)
	}
	fmt.Fprintf(out, "\nHealth %s/healthz, metrics %s. Stop with Ctrl-C.\n", d.base, metrics)
}
