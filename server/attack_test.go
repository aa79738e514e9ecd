package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/tarnhealth/tarn/profile"
)

// attackPaths are ways to a patient's data, below the base URL: {own} is the
// patient of the token, {other} another one, {family} and {born} are theirs.
var attackPaths = strings.Fields(`
/Patient/{other} /Patient/{other}/ //Patient/{other} /./Patient/{other} /Patient/{own}/../{other} /Patient/{own}%2f..%2f{other} /Patient/{own}/%2e%2e/{other}
/Patient%2f{other} /%50atient/{other} /Patient;a=b/{other} /Patient/{other};x /Patient/{other}%00 /Patient/{other}%20 /Patient/{other}%0d%0aX:%20y /patient/{other} /Patient/{other}.json
/Patient/{other}?_format=xml /Patient/{other}?_format=json&_format=xml /Patient/{other}?_elements=id /Patient/{other}?_summary=true
/Patient/{other}/_history /Patient/{other}/_history/1 /Patient/{other}/$everything /Patient/{other}/$meta /Patient/{other}/* /Patient/{other}/Observation
/Patient/{own}?_id={other} /Patient/{own}/Observation?subject=Patient/{other} /Patient/{own}/Observation?patient={other} /Patient/{own}/$everything?patient={other} /Patient/{own}/$everything?_id={other}
/Patient /Patient?_count=1000 /Patient?_id={other} /Patient?_id={own},{other} /Patient?_id={own}&_id={other} /Patient?_id:not={own} /Patient?family={family} /Patient?birthdate={born} /Patient?_content={family}
/Patient?_filter=family%20eq%20%22{family}%22 /Patient?_sort=family /Patient?_summary=count /Patient?_count=0&_total=accurate /Patient?_explain=true /Patient?_has:Observation:subject:status=final
/Observation?patient={other} /Observation?subject=Patient/{other} /Observation?subject:Patient._id={other} /Observation?patient.family={family} /Observation?patient.birthdate={born} /Observation?subject:not=Patient/{own}
/Observation?_include=* /Observation?_include:iterate=*&_revinclude=*:* /Observation?_revinclude=* /Observation?_contained=both /Observation?encounter.subject:Patient._id={other} /Observation/$lastn?patient={other} /Observation/$lastn?max=3
/Practitioner?_revinclude=Patient:general-practitioner /Practitioner?_has:Patient:general-practitioner:family={family} /Organization?_revinclude=* /Location?_revinclude=* /Encounter?_include=Encounter:subject&_revinclude:iterate=Observation:encounter
/?_type=Patient /?_type=Patient,Observation /?_id={other} /_history /Patient/_history /Observation/_history /Patient/$everything /$export /Patient/$export /AuditEvent /AuditEvent?patient={other} /Provenance
/$graphql?query={PatientList{id,name{family}}} /$graphql?query={Patient(id:"{other}"){id,name{family}}} /$graphql?query={ObservationList(patient:"{other}"){id,subject{reference}}}
/DocumentReference/$docref?patient={other} /Observation/$stats?subject=Patient/{other}&code=8867-4&statistic=count /Patient?page=x /Patient?access_token={token}
`)

// attackHeaders are header fields that other servers have obeyed.
var attackHeaders = []string{
	"X-HTTP-Method-Override: PUT", "X-Original-URL: {base}/Patient/{other}", "X-Rewrite-URL: {base}/Patient/{other}", "X-Forwarded-Prefix: {base}", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: evil.example",
	"Prefer: handling=lenient", "Accept: application/fhir+xml", "Accept: text/html", "X-Purpose-Of-Use: BTG", "X-Break-Glass: true", "Range: bytes=0-99", "Cookie: access_token={token}",
}

// attackShapes are requests that two programs may read in two ways: the second is
// for another patient's data.
var attackShapes = []string{
	"POST {base}/Patient/_search HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET {base}/Patient/{other} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n",
	"GET {base}/Patient/{own} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\nGET {base}/Patient/{other} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
	"GET {base}/Patient/{other} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
	"POST {base}/Patient/_search HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n0\r\nAuthorization: Bearer {token}\r\n\r\n",
	"GET http://evil.example{base}/Patient/{other} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
	"GET {base}/Patient/{other} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
	"TRACE {base}/Patient/{own} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
}

// An attack sends requests with a patient's token, and looks for what is of
// others in the answers.
type attack struct {
	*running
	fill    *strings.Replacer
	secrets []string // of the other patient
	known   map[string]bool
}

var patientReference = regexp.MustCompile(`Patient/([0-9a-f]{8}-[0-9a-f-]{27})`)

// attackWith tries to get at the other patient of a demonstration.
func (r *running) attackWith(token string) {
	r.t.Helper()
	d := r.demo
	a := &attack{running: r, known: map[string]bool{d.patient: true, d.other: true}}
	family, born := a.learn()
	a.fill = strings.NewReplacer("{own}", d.patient, "{other}", d.other, "{family}", url.QueryEscape(family), "{born}", born, "{token}", token, "{base}", "/datastore/default/r4", `"`, "%22")
	get := "GET {base}%s HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n%s\r\n"
	for _, path := range attackPaths {
		a.send(fmt.Sprintf(get, path, ""))
		a.send(strings.Replace(fmt.Sprintf(get, path, ""), "GET", "HEAD", 1))
	}
	for _, field := range attackHeaders {
		for _, path := range []string{"/Patient/{other}", "/Patient", "/Observation?patient={other}"} {
			a.send(fmt.Sprintf(get, path, field+"\r\n"))
		}
	}
	for _, shape := range attackShapes {
		a.send(shape)
	}
}

// learn reads what is secret of the other patient, with a token that may.
func (a *attack) learn() (family, born string) {
	a.t.Helper()
	p, err := profile.Load(a.cfg.BaseURL)
	if err != nil {
		a.t.Fatal(err)
	}
	system, err := p.Token(a.t.Context(), nil, profile.Ask{Scope: "system/*.rs", DataStore: DefaultStore})
	if err != nil {
		a.t.Fatal(err)
	}
	_, body, _ := a.ask(system.Access, "Patient/"+a.demo.other)
	var patient struct {
		BirthDate  string
		Name       []struct{ Family string }
		Identifier []struct{ Value string }
	}
	if err := json.Unmarshal([]byte(body), &patient); err != nil || len(patient.Name) == 0 || len(patient.Identifier) == 0 {
		a.t.Fatalf("%v: %s", err, body)
	}
	for _, i := range patient.Identifier {
		a.secrets = append(a.secrets, i.Value)
	}
	a.secrets = append(a.secrets, `"birthDate":"`+patient.BirthDate)
	return patient.Name[0].Family, patient.BirthDate
}

// send sends bytes and looks through all that comes back.
func (a *attack) send(text string) {
	a.t.Helper()
	text = a.fill.Replace(text)
	conn, err := net.Dial("tcp", a.Addr())
	if err != nil {
		a.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		a.t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	answer := string(b)
	if !errors.Is(err, syscall.ECONNRESET) && (!strings.HasPrefix(answer, "HTTP/1.") || strings.HasPrefix(answer[8:], " 5")) {
		a.t.Errorf("%.200q is answered with %.300q", text, answer)
	}
	for _, secret := range a.secrets {
		if strings.Contains(answer, secret) {
			a.t.Errorf("%.200q gets at %q", text, secret)
		}
	}
	for _, found := range patientReference.FindAllStringSubmatch(answer, -1) {
		if !a.known[found[1]] {
			a.t.Errorf("%.200q gets at the patient %s", text, found[1])
		}
	}
}

// TestAttack sends what an attacker with a patient's token might.
func TestAttack(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 100 patients")
	}
	c := smartConfig(t, t.TempDir())
	c.Demo = true
	r := start(t, c)
	p, err := profile.Load(r.cfg.BaseURL)
	if err != nil {
		t.Fatal(err)
	}
	minted, err := p.Token(t.Context(), nil, profile.Ask{Scope: "patient/*.cruds", DataStore: DefaultStore, Patient: r.demo.patient})
	if err != nil {
		t.Fatal(err)
	}
	r.wantFHIR(minted.Access, "Patient/"+r.demo.patient, 200)
	r.attackWith(minted.Access)
	for _, secret := range []string{minted.Access, r.demo.patient, r.demo.other} {
		if strings.Contains(r.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
