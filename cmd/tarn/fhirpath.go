package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

func fhirpathCommand() *cobra.Command {
	var asJSON bool
	var v validation
	cmd := &cobra.Command{
		Use:   "fhirpath EXPRESSION FILE…",
		Short: "Evaluate a FHIRPath expression on files",
		Long: `Evaluate a FHIRPath expression on resources in JSON or XML, and print each item
that it selects: where it is, its type and its value. A file named - is standard
input. What trace() is called with goes to standard error. resolve() finds the
entries of a Bundle and contained resources; of other references it knows the
type alone. What codes, profiles and elements mean is known as far as R4 itself
and the guides given define it.`,
		Example: `  tarn fhirpath "Patient.name.where(use = 'official').family" patient.json
  tarn fhirpath "Bundle.entry.resource.ofType(Observation).value" bundle.xml
  tarn fhirpath --json "Patient.birthDate + 18 years" patient.json`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return failed(v.fhirpath(cmd, args[0], args[1:], asJSON))
		},
	}
	cmd.Flags().StringArrayVar(&v.guides, "ig", nil, "package of an implementation guide; may repeat")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func (v *validation) fhirpath(cmd *cobra.Command, expression string, files []string, asJSON bool) error {
	compiled, err := fhirpath.Compile(definition.R4().Schema, expression)
	if err != nil {
		return err
	}
	set, err := v.load(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	guides, err := v.conformance(set)
	if err != nil {
		return err
	}
	rules := guides.Rules()
	for _, file := range files {
		root, err := readResource(cmd.InOrStdin(), file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		env := rules.Env(root)
		env.Trace = traceTo(cmd.ErrOrStderr())
		items, err := compiled.Eval(root, env)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if len(files) > 1 && !asJSON {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d\n", file, len(items))
		}
		for _, item := range items {
			if err := printItem(cmd.OutOrStdout(), file, item, asJSON); err != nil {
				return err
			}
		}
	}
	return nil
}

func readResource(stdin io.Reader, file string) (fhir.Node, error) {
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(stdin) }
	}
	data, err := read()
	if err != nil {
		return fhir.Node{}, err
	}
	parse := fhir.Parse
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '<' {
		parse = fhir.ParseXML
	}
	tree, err := parse(definition.R4().Schema, data, fhir.DefaultLimits)
	if err != nil {
		return fhir.Node{}, err
	}
	return tree.Root(), nil
}

func traceTo(out io.Writer) func(string, []fhirpath.Item) {
	return func(name string, items []fhirpath.Item) {
		for _, item := range items {
			fmt.Fprintf(out, "%s: %s\n", name, shownItem(item))
		}
	}
}

// shownItem is an item in a line: a node with its path, a value as text.
func shownItem(item fhirpath.Item) string {
	switch {
	case item.Kind() != fhirpath.KindNode:
		return fmt.Sprintf("(%s) %s", item.TypeName(), item.Text())
	case item.Node().HasValue():
		return fmt.Sprintf("%s (%s) %s", item.Node().Path(), item.TypeName(), item.Text())
	}
	return fmt.Sprintf("%s (%s) %s", item.Node().Path(), item.TypeName(), inOneLine(item.Node()))
}

// inOneLine is the JSON of a complex node.
func inOneLine(n fhir.Node) []byte {
	var line bytes.Buffer
	if json.Compact(&line, n.Raw()) != nil {
		return n.Raw()
	}
	return line.Bytes()
}

func printItem(out io.Writer, file string, item fhirpath.Item, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprintln(out, shownItem(item))
		return err
	}
	line := map[string]any{"file": file, "type": item.TypeName()}
	if item.Kind() != fhirpath.KindNode {
		line["value"] = item.Text()
		return json.NewEncoder(out).Encode(line)
	}
	line["path"] = item.Node().Path()
	if line["value"] = item.Text(); !item.Node().IsPrimitive() {
		line["value"] = json.RawMessage(inOneLine(item.Node()))
	}
	return json.NewEncoder(out).Encode(line)
}
