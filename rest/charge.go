package rest

import "encoding/json"

// charge counts a request as n requests, of which it was counted as one when it
// was let in. What becomes a job is counted when it comes.
func (r *request) charge(n int) {
	if r.h.Charge != nil && n > 1 && r.attempt == nil {
		r.h.Charge(r.http, r.access.Caller(), n-1)
	}
}

// chargeBundle counts the entries of a Bundle that is to become a job.
func (r *request) chargeBundle(body []byte) {
	if r.h.Charge == nil || r.level != levelSystem || r.operation != "" {
		return
	}
	tree, err := r.parse(body)
	if err == nil {
		entries := 0
		for range tree.Root().Each("entry") {
			entries++
		}
		r.charge(entries)
		return
	}
	var batch struct{ Entry []json.RawMessage } // some of whose entries are wrong
	if json.Unmarshal(body, &batch) == nil {
		r.charge(len(batch.Entry))
	}
}
