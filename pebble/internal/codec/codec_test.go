package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

const observation = `{"resourceType":"Observation","id":"a8d3","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"subject":{"reference":"Patient/1"}}`

// A dictionary that changed would make every body packed with it unreadable.
func TestDictionaryIsTheOneThatBodiesWerePackedWith(t *testing.T) {
	const want = "263e93b1b63db89dc7d4531178c180d051186bf63f8a0c570c89754b0f081f6a"
	sum := sha256.Sum256(dictionaryFile)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("dictionary.bin is %s, bodies were packed with %s", got, want)
	}
}

func TestPackThenUnpack(t *testing.T) {
	noise := make([]byte, 4096)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	tests := []struct {
		name  string
		json  string
		codec Codec
	}{
		{"empty", "", None},
		{"small", `{"resourceType":"Basic"}`, None},
		{"usual", observation, S2Dictionary1},
		{"incompressible", string(noise), None},
		{"just in reach of the dictionary", strings.Repeat(observation, maxDictionary)[:maxDictionary-1], S2Dictionary1},
		{"large", strings.Repeat(observation, maxDictionary)[:maxDictionary], S2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, packed := Pack([]byte(tt.json))
			if c != tt.codec {
				t.Errorf("codec %d, want %d", c, tt.codec)
			}
			json, err := Unpack(c, packed)
			if err != nil || string(json) != tt.json {
				t.Errorf("%d bytes became %d, %v", len(tt.json), len(json), err)
			}
		})
	}
}

func TestDictionaryHelps(t *testing.T) {
	_, packed := Pack([]byte(observation))
	if plain := s2.Encode(nil, []byte(observation)); len(packed) > len(plain)/2 {
		t.Errorf("%d bytes with the dictionary, %d without", len(packed), len(plain))
	}
}

func TestUnpackReadsOlderBodies(t *testing.T) {
	json, err := Unpack(S2, s2.Encode(nil, []byte(observation)))
	if err != nil || string(json) != observation {
		t.Errorf("%q, %v", json, err)
	}
}

func TestUnpackRefusesDamage(t *testing.T) {
	_, packed := Pack([]byte(observation))
	for _, c := range []Codec{S2, S2Dictionary1, 7} {
		if _, err := Unpack(c, packed[:len(packed)/2]); !errors.Is(err, posting.ErrDamaged) {
			t.Errorf("codec %d: %v, want a damaged record", c, err)
		}
	}
}

func FuzzPack(f *testing.F) {
	f.Add([]byte(observation))
	f.Add(dictionaryFile[len(dictionaryFile)-300:])
	f.Fuzz(func(t *testing.T, json []byte) {
		c, packed := Pack(json)
		back, err := Unpack(c, packed)
		if err != nil || !bytes.Equal(back, json) {
			t.Errorf("%q became %q, %v", json, back, err)
		}
	})
}

// What Pack made stays as it is while other bodies are packed in the same
// memory.
func TestPackKeeps(t *testing.T) {
	var bodies, packed [][]byte
	var codecs []Codec
	for i := range 50 {
		body := bytes.Repeat([]byte{byte('a' + i%26), byte(i), '{', '"'}, 40+i*i*20)
		c, p := Pack(body)
		bodies, packed, codecs = append(bodies, body), append(packed, p), append(codecs, c)
	}
	for i := range bodies {
		got, err := Unpack(codecs[i], packed[i])
		if err != nil || !bytes.Equal(got, bodies[i]) {
			t.Fatalf("body %d of %d bytes is not what was packed: %v", i, len(bodies[i]), err)
		}
	}
}
