// Command dict makes the dictionary that package pebble packs bodies with: the
// strings that most resources of a synthetic population share, behind some
// that are common in FHIR and rare in that population.
//
// A dictionary is for ever: bodies packed with it can be read with it alone.
// One that is made anew is another dictionary, with a codec of its own.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/tarnhealth/tarn/synth"
)

// common is FHIR that the population has little of.
//
//go:embed common.txt
var common []byte

func main() {
	log.SetFlags(0)
	out := flag.String("out", "dictionary.bin", "file to write")
	patients := flag.Int("patients", 100, "patients to learn from")
	size := flag.Int("size", maxSize, "bytes, at most 65,536")
	flag.Parse()
	dictionary, err := generate(*patients, min(*size, maxSize))
	if err == nil {
		err = os.WriteFile(*out, dictionary, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %d bytes\n", *out, len(dictionary))
}

// generate makes a dictionary in S2's form.
func generate(patients, size int) ([]byte, error) {
	samples, err := population(patients)
	if err != nil {
		return nil, err
	}
	content := build(common, samples, size)
	dict := s2.MakeDict(content, []byte(`{"resourceType":"`))
	return dict.Bytes(), nil
}

// maxSamples is how many resources of a type are looked at.
const maxSamples = 200

// population is samples of all types. A type counts by the square root of its
// number: common types most, but rare ones too.
func population(patients int) ([]sample, error) {
	kept := map[string][][]byte{}
	total := map[string]int{}
	err := synth.New(synth.Options{Patients: patients, Seed: 1}).Each(func(b synth.Bundle) error {
		for _, r := range b.Resources {
			if total[r.Type]++; total[r.Type] <= maxSamples {
				kept[r.Type] = append(kept[r.Type], slices.Clone(r.JSON))
			}
		}
		return nil
	})
	var samples []sample
	types := make([]string, 0, len(kept))
	for t := range kept {
		types = append(types, t)
	}
	slices.Sort(types)
	for _, t := range types {
		weight := math.Sqrt(float64(total[t])) / float64(len(kept[t]))
		for _, json := range kept[t] {
			samples = append(samples, sample{json, weight})
		}
	}
	return samples, err
}
