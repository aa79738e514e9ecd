package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/shelf"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
	"github.com/tarnhealth/tarn/validate/profile"
	"github.com/tarnhealth/tarn/validate/questionnaire"
)

// validation is what tarn validate is asked for.
type validation struct {
	guides, profiles []string
	questionnaires   []string
	format           string
	warnings         bool
	mustSupport      bool
	// data is the data folder whose terminologies are known, "" for none; store is
	// the data store that some of them are for.
	data, store string
	rules       *profile.Rules
}

func validateCommand() *cobra.Command {
	var v validation
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate FILE…",
		Short: "Check files against R4 and implementation guides",
		Long: `Check resources in JSON, XML or NDJSON against base R4 with its invariants, and
against the profiles that they declare, as far as the guides given have them.
Guides are packages (.tgz) as they are published. Code systems that are not in
them, such as LOINC and SNOMED CT, are known where --data names a data folder into
which tarn terminology load has put them. A file named - is standard input. The
exit code is 3 where a resource is not valid.`,
		Example: `  tarn validate patient.json
  tarn validate --ig hl7.fhir.us.core-6.1.0.tgz bundles/*.json
  tarn validate --ig us-core.tgz --profile http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient patient.json
  tarn validate --format sarif --ig us-core.tgz data.ndjson > findings.sarif`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			if asJSON {
				v.format = "json"
			}
			if v.format != "text" && v.format != "json" && v.format != "sarif" {
				return fmt.Errorf("--format is %q; it must be text, json or sarif", v.format)
			}
			return failed(v.run(cmd, files))
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&v.guides, "ig", nil, "package of an implementation guide; may repeat")
	flags.StringArrayVar(&v.questionnaires, "questionnaire", nil, "file of a Questionnaire (JSON) that responses are checked against; may repeat")
	flags.StringArrayVar(&v.profiles, "profile", nil, "canonical URL of a profile that every resource of its type must conform to; may repeat")
	flags.StringVar(&v.data, "data", "", "data folder whose loaded terminologies are known; none where empty")
	flags.StringVar(&v.store, "store", server.DefaultStore, "id of the data store whose terminologies are meant, beside those for all")
	flags.StringVar(&v.format, "format", "text", "text, json (an object a line) or sarif")
	flags.BoolVar(&asJSON, "json", false, "the same as --format json")
	flags.BoolVar(&v.mustSupport, "must-support", false, "list the must-support elements of the profiles that are absent, which is no fault")
	flags.BoolVar(&v.warnings, "warnings", true, "say warnings too")
	return cmd
}

// A finding is one issue of one resource.
type finding struct {
	File       string `json:"file"`
	Line       int    `json:"line,omitempty"`
	Column     int    `json:"column,omitempty"`
	Severity   string `json:"severity"`
	Code       string `json:"code"`
	Expression string `json:"expression,omitempty"`
	Text       string `json:"diagnostics"`
}

func (v *validation) run(cmd *cobra.Command, files []string) error {
	set, err := v.load(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	definitions := definition.R4()
	guides, err := v.conformance(set)
	if err != nil {
		return err
	}
	library, err := v.library(guides)
	if err != nil {
		return err
	}
	service := terminology.New(terminology.Library(library))
	service.Use(v.known())
	codes := profile.Codes(service)
	v.rules = guides.Rules()
	validator := validate.New(definitions, invariant.New(definitions), v.rules, questionnaire.New(definitions.Schema, library, codes))
	var all []finding
	checked, invalid := 0, 0
	for _, file := range files {
		err := eachResource(cmd.InOrStdin(), file, func(line int, data []byte) error {
			checked++
			found := v.check(validator, file, line, data)
			for _, f := range found {
				if f.Severity == string(fhir.SeverityError) {
					invalid++
					break
				}
			}
			if v.format == "sarif" {
				all = append(all, found...)
				return nil
			}
			return v.print(cmd.OutOrStdout(), found)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return v.summary(cmd, all, checked, invalid)
}

// load reads the guides and says what they need and do not have.
func (v *validation) load(out io.Writer) (*guide.Set, error) {
	var packages []*guide.Package
	for _, name := range v.guides {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		p, err := guide.Read(bufio.NewReader(file), guide.DefaultLimits)
		_ = file.Close() // it was only read
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		packages = append(packages, p)
	}
	set, err := guide.NewSet(packages...)
	if err != nil {
		return nil, err
	}
	for _, missing := range set.Missing {
		fmt.Fprintf(out, "not there: %s; what refers to it is not checked\n", missing)
	}
	return set, nil
}

// conformance is what the guides come to, with the profiles that are asked about.
func (v *validation) conformance(set *guide.Set) (*conformance.Guides, error) {
	guides, err := conformance.New(set, conformance.Settings{Demanded: v.profiles})
	if err != nil {
		return nil, err
	}
	return guides.With(v.known()), nil
}

// known are the terminologies of the data folder.
func (v *validation) known() (opt terminology.Options) {
	if v.data != "" {
		books := shelf.Open(v.data, slog.New(slog.DiscardHandler), nil)
		opt.Books = func(canonical string) *codebook.Book { return books.Book(v.store, canonical) }
	}
	return opt
}

// library finds definitions: of Questionnaires those given as files come before
// those of the guides.
func (v *validation) library(guides *conformance.Guides) (func(resourceType, canonical string) (*fhir.Tree, error), error) {
	given := map[string]*fhir.Tree{}
	for _, name := range v.questionnaires {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		tree, err := fhir.Parse(definition.R4().Schema, data, fhir.DefaultLimits)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		root := tree.Root()
		if root.Type().Name != "Questionnaire" || root.TextOf("url") == "" {
			return nil, fmt.Errorf("%s is not a Questionnaire with a url", name)
		}
		given[root.TextOf("url")] = tree
		given[root.TextOf("url")+"|"+root.TextOf("version")] = tree
	}
	return func(resourceType, canonical string) (*fhir.Tree, error) {
		if tree := given[canonical]; tree != nil && resourceType == "Questionnaire" {
			return tree, nil
		}
		return guides.Find(resourceType, canonical)
	}, nil
}

func (v *validation) check(validator *validate.Validator, file string, line int, data []byte) []finding {
	parse := fhir.Parse
	if len(data) > 0 && data[0] == '<' {
		parse = fhir.ParseXML
	}
	tree, err := parse(definition.R4().Schema, data, fhir.DefaultLimits)
	var issues []fhir.Issue
	var broken *fhir.Error
	switch {
	case errors.As(err, &broken):
		issues = broken.Issues
	case err != nil:
		issues = []fhir.Issue{{Severity: fhir.SeverityError, Code: "structure", Diagnostics: err.Error()}}
	default:
		issues = validator.Validate(tree)
		if v.mustSupport {
			v.rules.MustSupport(tree, func(i fhir.Issue) { issues = append(issues, i) })
		}
	}
	var found []finding
	for _, i := range issues {
		if i.Severity != fhir.SeverityWarning || v.warnings {
			if i.Severity == fhir.SeverityFatal {
				i.Severity = fhir.SeverityError
			}
			found = append(found, finding{file, max(i.Line, 1) + line, i.Column, string(i.Severity), i.Code, i.Expression, i.Diagnostics})
		}
	}
	return found
}

func (v *validation) print(out io.Writer, found []finding) error {
	for _, f := range found {
		if v.format == "json" {
			if err := json.NewEncoder(out).Encode(f); err != nil {
				return err
			}
			continue
		}
		place := f.Expression
		if place != "" {
			place += ": "
		}
		if _, err := fmt.Fprintf(out, "%s:%d:%d: %s: %s%s\n", f.File, f.Line, max(f.Column, 1), f.Severity, place, f.Text); err != nil {
			return err
		}
	}
	return nil
}

func (v *validation) summary(cmd *cobra.Command, all []finding, checked, invalid int) error {
	if v.format == "sarif" {
		if err := writeSARIF(cmd.OutOrStdout(), all); err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d resources checked, %d not valid\n", checked, invalid)
	if invalid > 0 {
		return &codedError{exitRejected, errors.New("")}
	}
	return nil
}

// eachResource yields the resources of a file with the number of lines before
// them: one, or of NDJSON one a line.
func eachResource(stdin io.Reader, file string, yield func(line int, data []byte) error) error {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // it is only read
		in = f
	}
	if !strings.HasSuffix(file, ".ndjson") {
		data, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		return yield(0, bytes.TrimRight(data, " \t\r\n"))
	}
	lines := bufio.NewReaderSize(in, 1<<20)
	for n := 0; ; n++ {
		data, err := lines.ReadBytes('\n')
		if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 {
			if err := yield(n, trimmed); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// writeSARIF writes findings in the Static Analysis Results Interchange Format.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
func writeSARIF(out io.Writer, all []finding) error {
	type object = map[string]any
	results := []object{}
	for _, f := range all {
		level := f.Severity
		if level == "information" {
			level = "note"
		}
		results = append(results, object{
			"ruleId": f.Code, "level": level, "message": object{"text": strings.TrimPrefix(f.Expression+": "+f.Text, ": ")},
			"locations": []object{{"physicalLocation": object{
				"artifactLocation": object{"uri": f.File}, "region": object{"startLine": f.Line, "startColumn": max(f.Column, 1)},
			}}},
		})
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []object{{"tool": object{"driver": object{"name": "tarn", "version": server.Version(), "rules": []object{}}}, "results": results}},
	})
}
