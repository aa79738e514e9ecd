package bulk

import (
	"context"
	"iter"

	"github.com/tarnhealth/tarn/bulk/ndjson"
	"github.com/tarnhealth/tarn/fhir"
)

// filesAhead is how many files are opened before they are read: of many small
// ones in S3, each takes a while to answer.
const filesAhead = 8

// opened is a file of a source, opened; or why it is not.
type opened struct {
	file  inputFile
	input *input
	// skipped is set for what is no NDJSON by its name.
	skipped bool
	// broken is why the file cannot be read, where the others still can.
	broken error
	failed error
}

// ahead yields the files of a source behind one, and opens the next ones
// meanwhile. The file resume, if any, begins at from. Whoever takes a file
// closes it.
func ahead(ctx context.Context, src source, after, resume string, from ndjson.Mark) iter.Seq2[opened, error] {
	return func(yield func(opened, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		queue := make(chan chan opened, filesAhead)
		go func() {
			defer close(queue)
			for f, err := range src.files(ctx, after) {
				one := make(chan opened, 1)
				select {
				case queue <- one:
				case <-ctx.Done():
					return
				}
				if err != nil {
					one <- opened{failed: err}
					return
				}
				at := ndjson.Mark{}
				if f.name == resume {
					at = from
				}
				go func() { one <- open(ctx, src, f, at) }()
			}
		}()
		defer drain(queue)
		for one := range queue {
			o := <-one
			if !yield(o, o.failed) || o.failed != nil {
				cancel()
				return
			}
		}
	}
}

// open opens one file.
func open(ctx context.Context, src source, f inputFile, at ndjson.Mark) opened {
	if !f.listed && !isInput(f.name) {
		return opened{file: f, skipped: true}
	}
	in, err := openInput(ctx, src, f, at)
	switch {
	case err == nil:
		return opened{file: f, input: in}
	case fhir.KindOf(err) == fhir.KindUnprocessable:
		return opened{file: f, broken: err}
	}
	return opened{file: f, failed: err}
}

// drain closes what was opened and not taken.
func drain(queue <-chan chan opened) {
	for one := range queue {
		if o := <-one; o.input != nil {
			o.input.close()
		}
	}
}
