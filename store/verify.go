package store

// A State is what Verify looks at: the store as it is when the ops are to be
// applied, with everything that was taken before them.
type State interface {
	// Current returns the number of a resource's newest version, 0 where it
	// never existed, and whether that version is a deletion.
	Current(resourceType, id string) (number uint64, deleted bool, err error)
	// Changed reports whether a resource that matches the condition's part
	// was written after its T. It may say so where it cannot tell.
	Changed(c Condition) (bool, error)
}

// Verify checks the preconditions of ops against a state. Its error is an
// *OpError where a precondition failed.
func Verify(ops []Op, state State) error {
	if i := duplicate(ops); i >= 0 {
		return &OpError{Index: i, Err: ErrDuplicate}
	}
	for i := range ops {
		failed, err := verify(&ops[i], state)
		if err != nil {
			return err
		}
		if failed != nil {
			return &OpError{Index: i, Err: failed}
		}
	}
	return nil
}

// duplicate returns the index of the first op on a resource that an earlier op
// is on too, or -1.
func duplicate(ops []Op) int {
	if len(ops) < 2 {
		return -1
	}
	type resource struct{ resourceType, id string }
	seen := make(map[resource]bool, len(ops))
	for i := range ops {
		r := resource{ops[i].Type, ops[i].ID}
		if seen[r] {
			return i
		}
		seen[r] = true
	}
	return -1
}

func verify(op *Op, state State) (failed, err error) {
	if op.IfVersion != 0 || op.IfAbsent {
		number, deleted, err := state.Current(op.Type, op.ID)
		switch {
		case err != nil:
			return nil, err
		case op.IfVersion != 0 && number != op.IfVersion:
			return ErrVersion, nil
		case op.IfAbsent && number != 0 && !deleted:
			return ErrExists, nil
		}
	}
	for _, c := range op.Unchanged {
		changed, err := state.Changed(c)
		if err != nil {
			return nil, err
		}
		if changed {
			return ErrChanged, nil
		}
	}
	return nil, nil
}
