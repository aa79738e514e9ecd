package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/smart"
)

// auditSides are the servers of the audit scenario: each adds one thing.
var auditSides = []auditSide{
	{"none", server.AuthNone, server.AuditOff, server.AuditDisk},
	{"token", server.AuthSMART, server.AuditOff, server.AuditDisk},
	{"audited", server.AuthSMART, server.AuditOn, server.AuditDisk},
	{"process", server.AuthSMART, server.AuditOn, server.AuditProcess},
}

// An auditSide is one of them: its name and its settings.
type auditSide struct {
	name, auth, log, durability string
}

// auditRounds is how often servers that are compared take turns at least, and
// roundLength how long a turn is where there is time for more: the speed of a
// shared machine changes within seconds.
const (
	auditRounds = 5
	roundLength = 500 * time.Millisecond
)

// rounds is how often servers take turns in the time of a part.
func (b *bench) rounds() int {
	return max(auditRounds, int(b.opt.length/roundLength))
}

// leadIn is how much of the time of a part each turn begins with that is not
// measured: a server that was paused does first what was due meanwhile, such as
// AuditEvents, which a server that is not paused does once in some seconds.
const leadIn = .02

// runAudit measures what authorization and the audit log cost: the same load
// on four servers with the same data, in turns, the others paused meanwhile,
// so that what they do behind their requests disturbs nobody. The limit is the
// server that does neither.
func runAudit(ctx context.Context, b *bench) (err error) {
	if _, err := b.filled(ctx); err != nil {
		return err
	}
	if err := b.stopMain(); err != nil {
		return err
	}
	t := &trial{bench: b}
	defer func() { err = errors.Join(err, t.end()) }()
	for _, side := range auditSides {
		if err := t.open(ctx, side); err != nil {
			return fmt.Errorf("the server %s: %w", side.name, err)
		}
	}
	loads, err := t.loads()
	if err != nil {
		return err
	}
	for _, load := range loads {
		if err := t.run(ctx, &load); err != nil {
			return err
		}
	}
	return nil
}

// A trial is the servers that are compared.
type trial struct {
	*bench
	servers []*instance
	// tokens are the Authorization headers of each, with the line's end.
	tokens []string
	dirs   []string
}

// open starts a server on a copy of the main one's data, and pauses it.
func (t *trial) open(ctx context.Context, side auditSide) error {
	dir := t.newFolder()
	t.dirs = append(t.dirs, dir)
	if err := os.CopyFS(dir, os.DirFS(t.mainDir())); err != nil {
		return err
	}
	// The copy has no modes, and a server refuses a key that others may read.
	// There is none where nothing was sealed yet.
	if err := os.Chmod(filepath.Join(dir, "master.key"), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	in, err := t.launch(ctx, dir, "TARN_AUTH="+side.auth, "TARN_AUDIT_LOG="+side.log, "TARN_AUDIT_DURABILITY="+side.durability)
	if err != nil {
		return err
	}
	t.servers = append(t.servers, in)
	header := ""
	if side.auth != server.AuthNone {
		token, err := serviceToken(ctx, in)
		if err != nil {
			return err
		}
		header = "Authorization: Bearer " + token + "\r\n"
	}
	t.tokens = append(t.tokens, header)
	return pause(in.pid)
}

func (t *trial) end() error {
	var errs []error
	for _, in := range t.servers {
		errs = append(errs, resume(in.pid), in.stop())
	}
	for _, dir := range t.dirs {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...)
}

// serviceToken is a token that may do everything with resources.
func serviceToken(ctx context.Context, in *instance) (string, error) {
	admin, err := server.OpenAdmin(ctx, in.dir)
	if err != nil {
		return "", err
	}
	defer admin.Close()
	const scope = "system/*.cruds"
	added, err := admin.AddClient(ctx, smart.Client{
		ID: secretClient, Type: smart.Symmetric, Scopes: scope, Grants: []string{"client_credentials"}, DataStores: []string{server.DefaultStore},
	})
	if err != nil {
		return "", err
	}
	s := &tokenServer{instance: in, secret: added.Secret}
	conn, err := dial(in.addr)
	if err != nil {
		return "", err
	}
	defer conn.close()
	values := s.asked()
	values.Set("grant_type", "client_credentials")
	values.Set("scope", scope)
	return requestToken(conn, s, values)
}

func requestToken(conn *client, s *tokenServer, values url.Values) (string, error) {
	status, body, err := conn.send(s.form(tokenPath, values))
	var answer struct {
		Access string `json:"access_token"`
	}
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err == nil && status != 200 {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		return "", fmt.Errorf("no token: %w: %.300s", err, body)
	}
	return answer.Access, nil
}

// A trialLoad is what the servers are asked.
type trialLoad struct {
	name    string
	clients int
	// step makes one request with a header.
	step func(side int) func(u *user) (answer, error)
}

func (t *trial) loads() ([]trialLoad, error) {
	reads := t.authorized(readRequests(t.sample))
	var searches [][]byte
	for _, q := range mix {
		searches = append(searches, q.requests(t.sample, page, valuesEach/10)...)
	}
	searchesOf := t.authorized(searches)
	templates, err := newTemplates()
	if err != nil {
		return nil, err
	}
	writes := func(side int) func(*user) (answer, error) {
		return func(u *user) (answer, error) {
			state := stateOf(u, templates)
			state.header = t.tokens[side]
			a, err := state.step(u, base)
			a.part = 0
			return a, err
		}
	}
	pick := func(requests [][][]byte) func(int) func(*user) (answer, error) {
		return func(side int) func(*user) (answer, error) {
			return func(u *user) (answer, error) {
				status, body, err := u.send(requests[side][u.rng.IntN(len(requests[side]))])
				return expect(0, 1, 200, status, body), err
			}
		}
	}
	return []trialLoad{
		{"read", t.opt.clientsOr(64)[0], pick(reads)},
		{"search", t.opt.clientsOr(32)[0], pick(searchesOf)},
		{"crud", t.opt.clientsOr(64)[0], writes},
		{"mixed", t.opt.clientsOr(64)[0], mixed(pick(reads), pick(searchesOf), writes)},
	}, nil
}

// mixed is what many clients do at once: of ten requests five searches, four reads
// and one write.
func mixed(reads, searches, writes func(int) func(*user) (answer, error)) func(int) func(*user) (answer, error) {
	return func(side int) func(*user) (answer, error) {
		read, search, write := reads(side), searches(side), writes(side)
		return func(u *user) (answer, error) {
			switch k := u.rng.IntN(10); {
			case k < 5:
				return search(u)
			case k < 9:
				return read(u)
			}
			// It goes through the steps of crud by itself, without their reads.
			if u.state == nil {
				u.state = &user{client: u.client, index: u.index, rng: u.rng}
			}
			writer := u.state.(*user)
			if _, interaction, _ := place(writer.i); interaction == crudRead {
				writer.i += len(crudTypes)
			}
			a, err := write(writer)
			writer.i++
			return a, err
		}
	}
}

// authorized are requests as each of the servers wants them.
func (t *trial) authorized(requests [][]byte) [][][]byte {
	all := make([][][]byte, len(t.tokens))
	for side, header := range t.tokens {
		for _, r := range requests {
			all[side] = append(all[side], withHeader(r, header))
		}
	}
	return all
}

// withHeader is a request with one more header, which ends with its line.
func withHeader(request []byte, header string) []byte {
	line, rest, _ := bytes.Cut(request, []byte("\r\n"))
	return slices.Concat(line, []byte("\r\n"), []byte(header), rest)
}

// run measures one load and prints a row for each server.
func (t *trial) run(ctx context.Context, load *trialLoad) error {
	rounds := make([][]result, len(t.servers))
	for range t.rounds() {
		for side := range t.servers {
			r, err := t.turn(ctx, load, side, t.servers[side], "audit/"+load.name+"-"+auditSides[side].name)
			if err != nil {
				return err
			}
			rounds[side] = append(rounds[side], r)
		}
	}
	for side := range t.servers {
		r := middle(rounds[side])
		r.Scenario = "audit/" + load.name + "-" + auditSides[side].name
		r.limit(median(rounds[0], func(r *result) float64 { return r.Throughput }), "the same load without authorization and audit")
		r.Note = "CPU to that without: " + ratios(rounds[side], rounds[0], func(r *result) float64 { return r.CPU }) +
			fmt.Sprintf(", all rounds together %.2f", allCPU(rounds[side])/allCPU(rounds[0])) +
			", throughput " + ratios(rounds[side], rounds[0], func(r *result) float64 { return r.Throughput })
		if side > 1 {
			r.Note += "; to that with tokens alone: CPU " + ratios(rounds[side], rounds[1], func(r *result) float64 { return r.CPU }) +
				", throughput " + ratios(rounds[side], rounds[1], func(r *result) float64 { return r.Throughput })
		}
		if err := t.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

// turn lets one of the servers that are compared work for a while, after one that
// does not count.
func (b *bench) turn(ctx context.Context, load *trialLoad, side int, in *instance, name string) (r result, err error) {
	if err := resume(in.pid); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, pause(in.pid)) }()
	w := work{addr: in.addr, clients: load.clients, length: b.seconds(leadIn), step: load.step(side)}
	if _, err := drive(ctx, w); err != nil {
		return r, err
	}
	w.length = b.seconds(1. / float64(b.rounds()))
	r, _, err = b.measure(ctx, name, "requests/s", in, w)
	return r, err
}

// middle is a row of the medians of several.
func middle(rows []result) result {
	r := rows[0]
	for _, f := range []func(*result) *float64{
		func(r *result) *float64 { return &r.Throughput }, func(r *result) *float64 { return &r.P50 },
		func(r *result) *float64 { return &r.P95 }, func(r *result) *float64 { return &r.P99 },
		func(r *result) *float64 { return &r.CPU }, func(r *result) *float64 { return &r.Allocs },
		func(r *result) *float64 { return &r.AllocBytes }, func(r *result) *float64 { return &r.Written },
		func(r *result) *float64 { return &r.RSS }, func(r *result) *float64 { return &r.Generator },
	} {
		*f(&r) = median(rows, func(r *result) float64 { return *f(r) })
	}
	for _, row := range rows[1:] {
		r.Failed += row.Failed
		r.Failure = cmp.Or(r.Failure, row.Failure)
	}
	return r
}

func median(rows []result, of func(*result) float64) float64 {
	var all []float64
	for i := range rows {
		all = append(all, of(&rows[i]))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// allCPU is the processor time of a unit in rounds of the same length together.
func allCPU(rounds []result) float64 {
	var cpu, units float64
	for i := range rounds {
		cpu += rounds[i].CPU * rounds[i].Throughput
		units += rounds[i].Throughput
	}
	return cpu / max(units, 1)
}

// ratios are those of the rounds of one server to those of another: the
// middle one, the least and the greatest.
func ratios(of, to []result, figure func(*result) float64) string {
	var all []float64
	for i := range of {
		if base := figure(&to[i]); base > 0 {
			all = append(all, figure(&of[i])/base)
		}
	}
	if len(all) == 0 {
		return "unknown"
	}
	slices.Sort(all)
	return fmt.Sprintf("%.2f (%.2f … %.2f)", all[len(all)/2], all[0], all[len(all)-1])
}
