package keyring

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/tarnhealth/tarn/crypt/seal"
)

// A Ring is the open keys of one owner: a seal.Keys. Safe for concurrent use.
type Ring struct {
	folder   *Folder
	provider Provider

	// changing is held while the file changes, also while what wraps a new key
	// is asked: mu is not, for files are made and read meanwhile.
	changing sync.Mutex

	mu   sync.RWMutex
	file ringFile
	// keys are the open ones; none once they were forgotten.
	keys map[uint32][]byte
}

// Owner is whose keys they are.
func (r *Ring) Owner() string { return r.file.Owner }

// Kind says what wraps them.
func (r *Ring) Kind() Kind { return r.file.Kind }

// Current implements seal.Keys.
func (r *Ring) Current() (uint32, []byte) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	number := r.file.Keys[len(r.file.Keys)-1].Number
	return number, r.keys[number]
}

// Key implements seal.Keys.
func (r *Ring) Key(number uint32) ([]byte, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	key, found := r.keys[number]
	return key, found
}

// Plain reports whether files that are not sealed are to be read.
func (r *Ring) Plain() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.file.Plain
}

// Count is how many keys there are.
func (r *Ring) Count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.file.Keys)
}

// Strict is called when no file is left that is not sealed: none is read from
// then on.
func (r *Ring) Strict() error {
	return r.change(func(file *ringFile) error {
		file.Plain = false
		return nil
	})
}

// Rotate makes a new key, for all files from now on.
func (r *Ring) Rotate(ctx context.Context) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	return r.add(ctx)
}

// Retire destroys the keys that no file needs; the current one stays.
func (r *Ring) Retire(needed func(number uint32) bool) (retired []uint32, err error) {
	err = r.change(func(file *ringFile) error {
		last := file.Keys[len(file.Keys)-1].Number
		file.Keys = slices.DeleteFunc(slices.Clone(file.Keys), func(k dataKey) bool {
			goes := k.Number != last && !needed(k.Number)
			if goes {
				retired = append(retired, k.Number)
			}
			return goes
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, number := range retired {
		delete(r.keys, number)
	}
	return retired, nil
}

// Check asks whether the wrapping key still allows the use of the data keys.
func (r *Ring) Check(ctx context.Context) error {
	r.mu.RLock()
	last := r.file.Keys[len(r.file.Keys)-1]
	r.mu.RUnlock()
	_, err := r.open(ctx, &last)
	return err
}

// Forget drops the open keys from memory. Files that are open stay readable
// until they are closed.
func (r *Ring) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	// The bytes are not cleared: a file that is being made may be deriving its
	// key from them.
	r.keys = nil
}

func (r *Ring) opened() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.keys != nil
}

// change rewrites the file.
func (r *Ring) change(change func(*ringFile) error) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		return fmt.Errorf("%w: %s; they were destroyed or locked", ErrNone, r.file.Owner)
	}
	file := r.file
	if err := change(&file); err != nil {
		return err
	}
	if err := r.folder.write(&file); err != nil {
		return err
	}
	r.file = file
	return nil
}

// add makes a new key, the current one. r.changing is held, or nobody knows r
// yet.
func (r *Ring) add(ctx context.Context) error {
	r.mu.RLock()
	file, provider := r.file, r.provider
	r.mu.RUnlock()
	number := uint32(1)
	if n := len(file.Keys); n > 0 {
		number = file.Keys[n-1].Number + 1
	}
	key := make([]byte, seal.KeySize)
	rand.Read(key) // never fails
	value, err := provider.Wrap(ctx, key, purpose(file.Owner, number))
	if err != nil {
		return err
	}
	file.Keys = append(slices.Clone(file.Keys), dataKey{number, r.folder.now(), []wrapped{{provider.Name(), value}}})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		return fmt.Errorf("%w: %s; they were destroyed or locked", ErrNone, file.Owner)
	}
	if err := r.folder.write(&file); err != nil {
		return err
	}
	r.file, r.keys[number] = file, key
	return nil
}

// unwrap opens all keys.
func (r *Ring) unwrap(ctx context.Context) error {
	for i := range r.file.Keys {
		key, err := r.open(ctx, &r.file.Keys[i])
		if err != nil {
			return err
		}
		r.keys[r.file.Keys[i].Number] = key
	}
	return nil
}

// open opens a key with the copy that its provider wrapped.
func (r *Ring) open(ctx context.Context, k *dataKey) ([]byte, error) {
	at := findWrap(k.Wrapped, r.provider.Name())
	if at < 0 {
		return nil, fmt.Errorf("%w: those of %s with %s, not with %s", ErrWrong, r.file.Owner, k.Wrapped[0].By, r.provider.Name())
	}
	key, err := r.provider.Unwrap(ctx, k.Wrapped[at].Value, purpose(r.file.Owner, k.Number))
	if err == nil && len(key) != seal.KeySize {
		err = errors.New("keyring: the key has another size than keys have")
	}
	return key, err
}

// wrapAlso adds a copy of each key that another provider wraps.
func (r *Ring) wrapAlso(ctx context.Context, to Provider) error {
	return r.change(func(file *ringFile) error {
		file.Keys = slices.Clone(file.Keys)
		for i := range file.Keys {
			k := &file.Keys[i]
			if findWrap(k.Wrapped, to.Name()) >= 0 {
				continue
			}
			value, err := to.Wrap(ctx, r.keys[k.Number], purpose(file.Owner, k.Number))
			if err != nil {
				return err
			}
			k.Wrapped = append(slices.Clone(k.Wrapped), wrapped{to.Name(), value})
		}
		return nil
	})
}

// wrapOnly keeps the copies of one provider, which must be there.
func (r *Ring) wrapOnly(to Provider) error {
	err := r.change(func(file *ringFile) error {
		file.Keys = slices.Clone(file.Keys)
		for i := range file.Keys {
			at := findWrap(file.Keys[i].Wrapped, to.Name())
			if at < 0 {
				return fmt.Errorf("%w: %s", ErrWrong, file.Owner)
			}
			file.Keys[i].Wrapped = []wrapped{file.Keys[i].Wrapped[at]}
		}
		return nil
	})
	if err == nil {
		r.mu.Lock()
		r.provider = to
		r.mu.Unlock()
	}
	return err
}
