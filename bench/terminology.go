package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/tarnhealth/tarn/terminology/codebook"
	codes "github.com/tarnhealth/tarn/terminology/concept"
	"github.com/tarnhealth/tarn/terminology/shelf"
)

// madeUp is a code system of the size of large ones.
const (
	madeUp         = "http://tarn.example/made-up"
	madeUpConcepts = 350_000
)

// runTerminology asks what codes mean: of FHIR's own code systems and value sets,
// and of a loaded terminology of 350,000 concepts.
func runTerminology(ctx context.Context, b *bench) error {
	in, err := b.filled(ctx)
	if err != nil {
		return err
	}
	if err := shelveMadeUp(in.dir); err != nil {
		return err
	}
	for _, c := range terminologyRequests() {
		r, err := b.ask(ctx, c.name, in, c.paths)
		if err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

// shelveMadeUp loads the made-up terminology into a server's data folder.
func shelveMadeUp(dir string) error {
	meta := codebook.Meta{URL: madeUp, Version: "1", Name: "MadeUp", Source: "made-up", CaseSensitive: true}
	book := codebook.NewBuilder(meta)
	for i := range madeUpConcepts {
		c := codes.Concept{Code: madeUpCode(i), Display: fmt.Sprintf("Disorder %d of the made-up region %d", i, i%977)}
		if i == 0 {
			book.Add(c)
			continue
		}
		book.Add(c, madeUpCode(i/4), madeUpCode(i/7))
	}
	_, err := shelf.Open(dir, nil, nil).Add("", meta, book)
	return err
}

func madeUpCode(i int) string { return fmt.Sprintf("%09d", 100_000_000+i*7) }

type terminologyRequest struct {
	name  string
	paths []string
}

func terminologyRequests() []terminologyRequest {
	lookup := terminologyRequest{name: "terminology/lookup"}
	validate := terminologyRequest{name: "terminology/validate-code"}
	for _, code := range []string{"male", "female", "other", "unknown"} {
		lookup.paths = append(lookup.paths, operation("CodeSystem/$lookup", "system", "http://hl7.org/fhir/administrative-gender", "code", code))
	}
	for _, code := range []string{"A", "D", "M", "S", "W", "none"} {
		validate.paths = append(validate.paths, operation("ValueSet/$validate-code", "url", "http://hl7.org/fhir/ValueSet/marital-status", "system", "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code", code))
	}
	loaded := terminologyRequest{name: "terminology/lookup of 350,000"}
	isA := terminologyRequest{name: "terminology/validate-code of 350,000"}
	subsumes := terminologyRequest{name: "terminology/subsumes of 350,000"}
	for i := range 200 {
		code := madeUpCode(i * 1749)
		loaded.paths = append(loaded.paths, operation("CodeSystem/$lookup", "system", madeUp, "code", code, "property", "display"))
		isA.paths = append(isA.paths, operation("ValueSet/$validate-code", "url", madeUp+"?fhir_vs", "system", madeUp, "code", code))
		subsumes.paths = append(subsumes.paths, operation("CodeSystem/$subsumes", "system", madeUp, "codeA", madeUpCode(i), "codeB", code))
	}
	expand := terminologyRequest{name: "terminology/expand of 350,000"}
	for i := range 200 {
		expand.paths = append(expand.paths, operation("ValueSet/$expand", "url", madeUp+"?fhir_vs", "filter", fmt.Sprintf("dis made %d", 100+i), "count", "20"))
	}
	return []terminologyRequest{lookup, validate, loaded, isA, subsumes, expand}
}

// operation is the path of a call.
func operation(path string, pairs ...string) string {
	query := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return base + "/" + path + "?" + query.Encode()
}

// ask sends the requests at random, from 32 clients.
func (b *bench) ask(ctx context.Context, name string, in *instance, paths []string) (result, error) {
	var requests [][]byte
	for _, path := range paths {
		requests = append(requests, appendRequest(nil, "GET", path, nil))
	}
	w := work{clients: b.opt.clientsOr(32)[0], length: b.seconds(1), step: func(u *user) (answer, error) {
		status, body, err := u.send(requests[u.rng.IntN(len(requests))])
		return expect(0, 1, 200, status, body), err
	}}
	return b.beside(ctx, name, "requests/s", in, w)
}
