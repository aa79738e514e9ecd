package kv

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"
)

// A Table is a kind of record: values of T as JSON under string keys. Records
// of tables with different names never meet in one DB.
type Table[T any] struct {
	name string
}

// A Keyed is a record of a table with its key.
type Keyed[T any] struct {
	Key   string
	Value T
}

// NewTable names a table. The name is part of what is stored. It panics where
// the name is empty or holds a zero byte, for names are constants.
func NewTable[T any](name string) Table[T] {
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		panic(fmt.Sprintf("kv: %q cannot name a table", name))
	}
	return Table[T]{name: name}
}

// Get returns a record, or ErrNotFound.
func (t Table[T]) Get(tx Tx, key string) (T, error) {
	value, err := tx.Get(t.key(key))
	if err != nil {
		var none T
		return none, err
	}
	return t.decode(key, value)
}

// Put stores a record. It is gone at expires; the zero time is never.
func (t Table[T]) Put(tx Tx, key string, record T, expires time.Time) error {
	value, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("kv: record %q of table %s cannot be written: %w", key, t.name, err)
	}
	return tx.Set(t.key(key), value, expires)
}

// Delete removes a record; a missing one is no error.
func (t Table[T]) Delete(tx Tx, key string) error {
	return tx.Delete(t.key(key))
}

// All yields the records in the order of their keys. Do not write while
// walking them.
func (t Table[T]) All(tx Tx) iter.Seq2[Keyed[T], error] {
	return func(yield func(Keyed[T], error) bool) {
		for r, err := range tx.Scan(t.key(""), append([]byte(t.name), 1)) {
			var k Keyed[T]
			if err == nil {
				k.Key = string(r.Key[len(t.name)+1:])
				k.Value, err = t.decode(k.Key, r.Value)
			}
			if !yield(k, err) || err != nil {
				return
			}
		}
	}
}

func (t Table[T]) key(key string) []byte {
	b := make([]byte, 0, len(t.name)+1+len(key))
	b = append(b, t.name...)
	b = append(b, 0)
	return append(b, key...)
}

func (t Table[T]) decode(key string, value []byte) (T, error) {
	var record T
	if err := json.Unmarshal(value, &record); err != nil {
		return record, fmt.Errorf("kv: record %q of table %s cannot be read: %w", key, t.name, err)
	}
	return record, nil
}

// Below yields the records whose keys begin with prefix, in the order of their
// keys. Do not write while walking them.
func (t Table[T]) Below(tx Tx, prefix string) iter.Seq2[Keyed[T], error] {
	return func(yield func(Keyed[T], error) bool) {
		from := t.key(prefix)
		for r, err := range tx.Scan(from, nil) {
			if err == nil && !bytes.HasPrefix(r.Key, from) {
				return
			}
			var k Keyed[T]
			if err == nil {
				k.Key = string(r.Key[len(t.name)+1:])
				k.Value, err = t.decode(k.Key, r.Value)
			}
			if !yield(k, err) || err != nil {
				return
			}
		}
	}
}
