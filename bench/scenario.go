package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/synth"
)

// runBundle posts one transaction bundle per patient. Its limit is one
// fsync'd append of each bundle's bytes.
func runBundle(b *bench) (result, error) {
	var r result
	population := synth.New(synth.Options{Patients: b.opt.patients, Seed: 1})
	for bundle := range population.Bundles(context.Background()) {
		b.sample.bundles = append(b.sample.bundles, bytes.Clone(bundle))
		b.sample.bytes += len(bundle)
	}
	t, err := postBundles(b)
	if err != nil {
		return r, err
	}
	t.into(&r, b.pid())
	r.Unit = "resources/s"
	perBundle := float64(t.units) / float64(len(b.sample.bundles))
	limit, err := appendLimit(b.temp, 8, 2*time.Second, func(c, i int) []byte {
		return b.sample.bundles[(c+8*i)%len(b.sample.bundles)]
	})
	r.Limit, r.LimitIs = limit*perBundle, "fsync'd append of the same bytes, 8 writers"
	if err != nil {
		return r, err
	}
	conn, err := dial(b.addr)
	if err != nil {
		return r, err
	}
	defer conn.close()
	return r, b.sample.take(conn)
}

// postBundles posts the first bundle, which later ones refer to, and then the
// others from eight clients.
func postBundles(b *bench) (timed, error) {
	conn, err := dial(b.addr)
	if err != nil {
		return timed{}, err
	}
	defer conn.close()
	if _, err := postBundle(conn, b.sample.bundles[0]); err != nil {
		return timed{}, err
	}
	var next atomic.Int64
	next.Store(1)
	done := fmt.Errorf("all posted")
	t, err := load(b.addr, 8, time.Hour, b.pid(), func(conn *client, _, _ int) (int, error) {
		i := int(next.Add(1)) - 1
		if i >= len(b.sample.bundles) {
			return 0, done
		}
		return postBundle(conn, b.sample.bundles[i])
	})
	if err == done {
		err = nil
	}
	b.sample.resources = t.units
	return t, err
}

func postBundle(conn *client, bundle []byte) (int, error) {
	status, body, err := conn.do("POST", base, bundle)
	if err != nil {
		return 0, err
	}
	if status != 200 {
		return 0, fmt.Errorf("POST bundle: %d %.500s", status, body)
	}
	var answer struct{ Entry []struct{} }
	if err := json.Unmarshal(body, &answer); err != nil {
		return 0, err
	}
	return len(answer.Entry), nil
}

// runCreate posts Observations. Its limits are an HTTP echo of the payload
// and an fsync'd append of it; the ratio is to the harmonic sum of both, the
// rate of doing one after the other.
func runCreate(b *bench) (result, error) {
	r := result{Unit: "creates/s"}
	var payload map[string]any
	if err := json.Unmarshal(b.sample.example, &payload); err != nil {
		return r, err
	}
	delete(payload, "id")
	body, err := json.Marshal(payload)
	if err != nil {
		return r, err
	}
	t, err := load(b.addr, b.opt.clients, b.opt.duration(), b.pid(), func(conn *client, _, _ int) (int, error) {
		status, _, err := conn.do("POST", base+"/Observation", body)
		return one(status == 201), err
	})
	if err != nil {
		return r, err
	}
	t.into(&r, b.pid())
	echo, err := load(b.probe, b.opt.clients, b.opt.duration()/2, b.echo.Process.Pid, func(conn *client, _, _ int) (int, error) {
		status, _, err := conn.do("POST", "/", body)
		return one(status == 200), err
	})
	if err != nil {
		return r, err
	}
	raw, err := appendLimit(b.temp, b.opt.clients, b.opt.duration()/2, func(int, int) []byte { return body })
	r.Limit = 1 / (1/echo.rate() + 1/raw)
	r.LimitIs = fmt.Sprintf("echo %.0f/s then append %.0f/s", echo.rate(), raw)
	return r, err
}

func one(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// runRead reads resources of the loaded data by id. Its limit is an HTTP
// answer of the same size.
func runRead(b *bench) (result, error) {
	r := result{Unit: "reads/s"}
	var size atomic.Int64
	step := func(conn *client, c, i int) (int, error) {
		pick := rand.IntN(len(b.sample.ids))
		status, body, err := conn.do("GET", base+"/"+b.sample.ids[pick], nil)
		size.Add(int64(len(body)))
		return one(status == 200), err
	}
	t, err := load(b.addr, b.opt.clients, b.opt.duration(), b.pid(), step)
	if err != nil {
		return r, err
	}
	t.into(&r, b.pid())
	return r, b.answerLimit(&r, int(size.Load())/max(1, t.units))
}

// answerLimit sets a result's limit to bare HTTP answers of a size.
func (b *bench) answerLimit(r *result, size int) error {
	path := fmt.Sprintf("/%d", size)
	echo, err := load(b.probe, b.opt.clients, b.opt.duration()/2, b.echo.Process.Pid, func(conn *client, _, _ int) (int, error) {
		status, _, err := conn.do("GET", path, nil)
		return one(status == 200), err
	})
	r.Limit, r.LimitIs = echo.rate(), fmt.Sprintf("bare HTTP answers of %d bytes", size)
	return err
}

// queries are the search mix; %s is a value of the sample's name.
var queries = []struct{ query, value string }{
	{"Patient?name=%s", "family"},
	{"Patient?family=%s", "family"},
	{"Patient?birthdate=%s", "birthdate"},
	{"Patient?birthdate=ge%s&gender=female", "birthdate"},
	{"Patient?address-city=%s", "city"},
	{"Patient?family=Nobody", ""},
	{"Observation?patient=%s", "subject"},
	{"Observation?patient=%s&category=laboratory", "subject"},
	{"Observation?patient=%s&_sort=-date", "subject"},
	{"Observation?code=%s", "code.Observation"},
	{"Observation?code=%s&date=ge2020", "code.Observation"},
	{"Observation?value-quantity=%s", "quantity"},
	{"Observation?date=%s", "date"},
	{"Observation?combo-code-value-quantity=http://loinc.org|8302-2$gt180", ""},
	{"Encounter?patient=Patient/%s", "id.Patient"},
	{"Encounter?class=AMB,EMER&patient=%s", "subject"},
	{"Organization?name=%s", "family"},
	{"MedicationRequest?patient=%s&status=active", "subject"},
}

// runSearch sends the search mix. Its limit is bare HTTP answers of the mean
// size.
func runSearch(b *bench) (result, error) {
	r := result{Unit: "searches/s"}
	var size atomic.Int64
	step := func(conn *client, c, i int) (int, error) {
		random := rand.New(rand.NewPCG(uint64(c), uint64(i)))
		q := queries[i%len(queries)]
		path := base + "/" + q.query
		if q.value != "" {
			path = base + "/" + fmt.Sprintf(q.query, url.QueryEscape(b.sample.pick(random, q.value)))
		}
		status, body, err := conn.do("GET", path+"&_count=20&_total=accurate", nil)
		size.Add(int64(len(body)))
		return one(status == 200), err
	}
	t, err := load(b.addr, min(b.opt.clients, 32), b.opt.duration(), b.pid(), step)
	if err != nil {
		return r, err
	}
	t.into(&r, b.pid())
	return r, b.answerLimit(&r, int(size.Load())/max(1, t.units))
}
