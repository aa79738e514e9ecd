package questionnaire_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/validate/questionnaire"
)

const asked = `{"resourceType":"Questionnaire","url":"http://x/q","version":"1","status":"active","subjectType":["Patient"],
"contained":[{"resourceType":"ValueSet","id":"colours","status":"active","compose":{"include":[{"system":"c","concept":[{"code":"red"},{"code":"blue"}]}]}}],
"item":[
 {"linkId":"intro","type":"display","text":"Welcome"},
 {"linkId":"name","type":"string","required":true,"maxLength":5},
 {"linkId":"about","type":"group","item":[
   {"linkId":"smokes","type":"boolean","required":true},
   {"linkId":"packs","type":"integer","required":true,"enableWhen":[{"question":"smokes","operator":"=","answerBoolean":true}]},
   {"linkId":"many","type":"string","enableWhen":[{"question":"packs","operator":">","answerInteger":20}]},
   {"linkId":"mark","type":"choice","repeats":true,"answerOption":[{"valueCoding":{"system":"s","code":"a"}},{"valueCoding":{"system":"s","code":"b"}}],
     "item":[{"linkId":"why","type":"text","required":true}]}]},
 {"linkId":"child","type":"group","repeats":true,"item":[
   {"linkId":"born","type":"date"},
   {"linkId":"twin","type":"boolean","enableWhen":[{"question":"born","operator":"exists","answerBoolean":true}]},
   {"linkId":"old","type":"boolean","enableWhen":[{"question":"born","operator":"<","answerDate":"2000-01-01"}]}]},
 {"linkId":"colour","type":"open-choice","answerValueSet":"#colours"},
 {"linkId":"size","type":"choice","answerValueSet":"http://x/sizes"},
 {"linkId":"other","type":"choice","answerValueSet":"http://x/unknown"},
 {"linkId":"age","type":"choice","answerOption":[{"valueInteger":1},{"valueInteger":2}]},
 {"linkId":"dose","type":"quantity"},
 {"linkId":"when","type":"dateTime","enableBehavior":"any","enableWhen":[{"question":"dose","operator":">=","answerQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"g"}},{"question":"size","operator":"=","answerCoding":{"system":"z","code":"L"}}]},
 {"linkId":"both","type":"dateTime","enableBehavior":"all","enableWhen":[{"question":"dose","operator":"exists","answerBoolean":true},{"question":"size","operator":"!=","answerCoding":{"system":"z","code":"L"}}]}
]}`

// sizes is a terminology that knows one value set.
type sizes struct{}

func (sizes) MemberOf(valueSet string, codings []fhirpath.Coding) (bool, error) {
	if valueSet != "http://x/sizes" {
		return false, errors.New("not known")
	}
	return codings[0].System == "z" && (codings[0].Code == "L" || codings[0].Code == "S"), nil
}

func (sizes) Subsumes(fhirpath.Coding, fhirpath.Coding) (bool, error) { return false, nil }

func parse(t testing.TB, text string) *fhir.Tree {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, []byte(text), fhir.DefaultLimits)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return tree
}

func rules(t testing.TB) *questionnaire.Rules {
	return questionnaire.New(definition.R4().Schema, func(resourceType, canonical string) (*fhir.Tree, error) {
		switch {
		case resourceType != "Questionnaire":
			return nil, errors.New("only questionnaires are asked for")
		case canonical == "http://x/broken":
			return nil, errors.New("it is broken")
		case canonical == "http://x/q" || canonical == "http://x/q|1":
			return parse(t, asked), nil
		}
		return nil, nil
	}, sizes{})
}

// response is one with items, after those that must be there.
func response(items string) string {
	return answered("completed", `{"linkId":"name","answer":[{"valueString":"x"}]}`, items)
}

func answered(status string, items ...string) string {
	all := strings.Join(items, ",")
	return fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","questionnaire":"http://x/q|1","status":%q,"item":[%s]}`, status, strings.Trim(all, ","))
}

func about(items string) string { return response(`{"linkId":"about","item":[` + items + `]}`) }

const (
	smokes = `{"linkId":"smokes","answer":[{"valueBoolean":true}]}`
	not    = `{"linkId":"smokes","answer":[{"valueBoolean":false}]}`
	size   = `{"linkId":"size","answer":[{"valueCoding":{"system":"z","code":"S"}}]},`
)

func mark(codes ...string) string {
	var all []string
	for _, code := range codes {
		all = append(all, fmt.Sprintf(`{"valueCoding":{"system":"s","code":%q},"item":[{"linkId":"why","answer":[{"valueString":"x"}]}]}`, code))
	}
	return `{"linkId":"mark","answer":[` + strings.Join(all, ",") + `]}`
}

func dose(value, code string) string {
	return fmt.Sprintf(`{"linkId":"dose","answer":[{"valueQuantity":{"value":%s,"system":"http://unitsofmeasure.org","code":%q}}]}`, value, code)
}

// TestResponses answers the questionnaire above rightly and wrongly.
func TestResponses(t *testing.T) {
	const when, both = `{"linkId":"when","answer":[{"valueDateTime":"2020"}]}`, `{"linkId":"both","answer":[{"valueDateTime":"2020"}]}`
	for name, test := range map[string]struct{ response, path, text string }{
		"all well":                    {about(smokes + `,{"linkId":"packs","answer":[{"valueInteger":21}]},{"linkId":"many","answer":[{"valueString":"x"}]},` + mark("a", "b")), "", ""},
		"an unknown item":             {response(`{"linkId":"nothing"}`), "QuestionnaireResponse.item[1]", `no item with the linkId "nothing"`},
		"an item elsewhere":           {response(`{"linkId":"smokes","answer":[{"valueBoolean":true}]}`), "QuestionnaireResponse.item[1]", `"smokes" belongs into the item "about"`},
		"an item of an answer":        {about(not + `,{"linkId":"why","answer":[{"valueString":"x"}]}`), "QuestionnaireResponse.item[1].item[1]", `belongs into an answer of the item "mark"`},
		"an item too deep":            {about(not + `,{"linkId":"dose"}`), "QuestionnaireResponse.item[1].item[1]", "belongs into the response itself"},
		"nothing required":            {answered("completed", `{"linkId":"colour"}`), "QuestionnaireResponse.item", `"name" must be answered`},
		"in progress":                 {answered("in-progress", `{"linkId":"colour"}`), "", ""},
		"stopped":                     {answered("stopped", `{"linkId":"colour"}`), "", ""},
		"amended":                     {answered("amended", `{"linkId":"colour"}`), "QuestionnaireResponse.item", `"name" must be answered`},
		"required without an answer":  {answered("completed", `{"linkId":"name"}`), "QuestionnaireResponse.item[0].answer", "must be answered"},
		"required in a group":         {about(`{"linkId":"mark"}`), "QuestionnaireResponse.item[1].item", `"smokes" must be answered`},
		"required in an answer":       {about(not + `,{"linkId":"mark","answer":[{"valueCoding":{"system":"s","code":"a"}}]}`), "QuestionnaireResponse.item[1].item[1].answer[0].item", `"why" must be answered`},
		"required when enabled":       {about(smokes), "QuestionnaireResponse.item[1].item", `"packs" must be answered`},
		"not required when not":       {about(not), "", ""},
		"answered when not enabled":   {about(not + `,{"linkId":"packs","answer":[{"valueInteger":1}]}`), "QuestionnaireResponse.item[1].item[1]", "may not be answered"},
		"there when not enabled":      {about(not + `,{"linkId":"packs"}`), "", ""},
		"too few for another":         {about(smokes + `,{"linkId":"packs","answer":[{"valueInteger":20}]},{"linkId":"many","answer":[{"valueString":"x"}]}`), "QuestionnaireResponse.item[1].item[2]", "may not be answered"},
		"the wrong order":             {about(mark("a") + "," + not), "QuestionnaireResponse.item[1].item[1]", `"smokes" comes too late; the questionnaire has it before "mark"`},
		"the wrong type":              {answered("completed", `{"linkId":"name","answer":[{"valueInteger":1}]}`), "QuestionnaireResponse.item[0].answer[0].value", "takes an answer of type string, not integer"},
		"too long":                    {answered("completed", `{"linkId":"name","answer":[{"valueString":"äöüäöü"}]}`), "QuestionnaireResponse.item[0].answer[0].value", "has 6 characters; at most 5"},
		"as long as may be":           {answered("completed", `{"linkId":"name","answer":[{"valueString":"äöüäö"}]}`), "", ""},
		"two answers":                 {answered("completed", `{"linkId":"name","answer":[{"valueString":"x"},{"valueString":"y"}]}`), "QuestionnaireResponse.item[0]", "has 2 answers and takes one"},
		"two items":                   {response(`{"linkId":"name","answer":[{"valueString":"x"}]}`), "QuestionnaireResponse.item", "is there 2 times; give its answers in one item"},
		"a group twice":               {response(`{"linkId":"about","item":[` + not + `]},{"linkId":"about","item":[` + not + `]}`), "QuestionnaireResponse.item", "is there 2 times and does not repeat"},
		"an answer to a text":         {answered("completed", `{"linkId":"intro","answer":[{"valueString":"x"}]},{"linkId":"name","answer":[{"valueString":"x"}]}`), "QuestionnaireResponse.item[0]", `"intro" (Welcome) only shows a text`},
		"a text":                      {answered("completed", `{"linkId":"intro"},{"linkId":"name","answer":[{"valueString":"x"}]}`), "", ""},
		"an answer to a group":        {answered("in-progress", `{"linkId":"about","answer":[{"valueString":"x"}]}`), "QuestionnaireResponse.item[0].answer[0]", "is a group"},
		"an item in a question":       {answered("in-progress", `{"linkId":"name","item":[{"linkId":"dose"}]}`), "QuestionnaireResponse.item[0].item[0]", "items inside belong into its answer"},
		"another option":              {about(not + "," + mark("a", "z")), "QuestionnaireResponse.item[1].item[1].answer[1].value", `s|z is none of the answers to the item "mark": s|a, s|b`},
		"an option of integers":       {response(`{"linkId":"age","answer":[{"valueInteger":2}]}`), "", ""},
		"another integer":             {response(`{"linkId":"age","answer":[{"valueInteger":3}]}`), "QuestionnaireResponse.item[1].answer[0].value", "3 is none of the answers"},
		"a code among integers":       {response(`{"linkId":"age","answer":[{"valueCoding":{"code":"2"}}]}`), "QuestionnaireResponse.item[1].answer[0].value", "of type integer, not Coding"},
		"of a contained value set":    {response(`{"linkId":"colour","answer":[{"valueCoding":{"system":"c","code":"red"}}]}`), "", ""},
		"not of it":                   {response(`{"linkId":"colour","answer":[{"valueCoding":{"system":"c","code":"pink"}}]}`), "QuestionnaireResponse.item[1].answer[0].value", "c|pink is not in the value set #colours"},
		"free text":                   {response(`{"linkId":"colour","answer":[{"valueString":"pink"}]}`), "", ""},
		"of a value set":              {response(`{"linkId":"size","answer":[{"valueCoding":{"system":"z","code":"L"}}]}`), "", ""},
		"not of that":                 {response(`{"linkId":"size","answer":[{"valueCoding":{"system":"z","code":"M"}}]}`), "QuestionnaireResponse.item[1].answer[0].value", "z|M is not in the value set http://x/sizes"},
		"free text where none may be": {response(`{"linkId":"size","answer":[{"valueString":"M"}]}`), "QuestionnaireResponse.item[1].answer[0].value", "of type Coding, not string"},
		"of a value set that is not":  {response(`{"linkId":"other","answer":[{"valueCoding":{"system":"z","code":"M"}}]}`), "QuestionnaireResponse.item[1].answer[0].value", "was not checked against the value set http://x/unknown"},
		"children":                    {response(`{"linkId":"child","item":[{"linkId":"born","answer":[{"valueDate":"2001-01-01"}]},{"linkId":"twin","answer":[{"valueBoolean":true}]}]},{"linkId":"child","item":[{"linkId":"born","answer":[{"valueDate":"1999-01-01"}]},{"linkId":"old","answer":[{"valueBoolean":true}]}]}`), "", ""},
		"the other child is old":      {response(`{"linkId":"child","item":[{"linkId":"born","answer":[{"valueDate":"2001-01-01"}]},{"linkId":"old","answer":[{"valueBoolean":true}]}]},{"linkId":"child","item":[{"linkId":"born","answer":[{"valueDate":"1999-01-01"}]}]}`), "QuestionnaireResponse.item[1].item[1]", `"old" may not be answered`},
		"the child before is born":    {response(`{"linkId":"child","item":[{"linkId":"born","answer":[{"valueDate":"2001-01-01"}]}]},{"linkId":"child","item":[{"linkId":"twin","answer":[{"valueBoolean":true}]}]}`), "", ""},
		"no child is born":            {response(`{"linkId":"child","item":[{"linkId":"twin","answer":[{"valueBoolean":true}]}]}`), "QuestionnaireResponse.item[1].item[0]", `"twin" may not be answered`},
		"any, in other units":         {response(dose("1500", "mg") + "," + when), "", ""},
		"any, too little":             {response(dose("500", "mg") + "," + when), "QuestionnaireResponse.item[2]", `"when" may not be answered`},
		"any, the other":              {response(`{"linkId":"size","answer":[{"valueCoding":{"system":"z","code":"L"}}]},` + dose("500", "mg") + "," + when), "", ""},
		"all":                         {response(size + dose("1", "g") + "," + both), "", ""},
		"not all":                     {response(size + both), "QuestionnaireResponse.item[2]", `"both" may not be answered`},
		"all, the other is equal":     {response(`{"linkId":"size","answer":[{"valueCoding":{"system":"z","code":"L"}}]},` + dose("1", "g") + "," + both), "QuestionnaireResponse.item[3]", `"both" may not be answered`},
		"about another":               {strings.Replace(response(""), `"status"`, `"subject":{"reference":"Group/1"},"status"`, 1), "QuestionnaireResponse.subject.reference", "is about a Patient, not about a Group"},
		"about a patient":             {strings.Replace(response(""), `"status"`, `"subject":{"reference":"Patient/1"},"status"`, 1), "", ""},
		"another version":             {strings.Replace(response(`{"linkId":"x"}`), "|1", "|2", 1), "QuestionnaireResponse.questionnaire", "http://x/q|2 is not known"},
		"a broken questionnaire":      {strings.Replace(response(""), "q|1", "broken", 1), "QuestionnaireResponse.questionnaire", "cannot be used: it is broken"},
		"a contained one":             {`{"resourceType":"QuestionnaireResponse","questionnaire":"#q","status":"completed","contained":[{"resourceType":"Questionnaire","id":"q","status":"active","item":[{"linkId":"1","type":"string"}]}],"item":[{"linkId":"2"}]}`, "QuestionnaireResponse.item[0]", `linkId "2"`},
		"none":                        {`{"resourceType":"QuestionnaireResponse","status":"completed","item":[{"linkId":"2"}]}`, "", ""},
		"in a bundle":                 {`{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + strings.Replace(response(`{"linkId":"x"}`), "http://x/q|1", "http://x/r", 1) + `},{"resource":{"resourceType":"Questionnaire","url":"http://x/r","status":"active","item":[{"linkId":"name","type":"string"}]}}]}`, "Bundle.entry[0].resource.item[1]", `linkId "x"`},
	} {
		var found []string
		ok := test.path == ""
		rules(t).Check(parse(t, test.response), func(i fhir.Issue) {
			found = append(found, i.Expression+": "+i.Diagnostics)
			ok = ok || i.Expression == test.path && strings.Contains(i.Diagnostics, test.text)
		})
		if !ok || test.path == "" && len(found) > 0 || len(found) > 1 {
			t.Errorf("%s: %q, want %s: %s", name, found, test.path, test.text)
		}
	}
}

// TestExamples checks the published responses against the published
// questionnaires.
func TestExamples(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/data/examples/r4-official/Questionnaire*.json")
	if len(files) == 0 {
		t.Skip("../shared/data is absent")
	}
	byURL := map[string]*fhir.Tree{}
	var responses []*fhir.Tree
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree := parse(t, string(data))
		if root := tree.Root(); root.Type().Name == "Questionnaire" {
			byURL[root.TextOf("url")] = tree
			byURL["Questionnaire/"+root.TextOf("id")] = tree
		} else {
			responses = append(responses, tree)
		}
	}
	r := questionnaire.New(definition.R4().Schema, func(_, canonical string) (*fhir.Tree, error) {
		return byURL[canonical], nil
	}, nil)
	for _, tree := range responses {
		id := tree.Root().TextOf("id")
		r.Check(tree, func(i fhir.Issue) {
			if id != "ussg-fht-answers" || i.Code != "not-found" { // its questionnaire is not among the examples
				t.Errorf("%s: %s %s: %s", id, i.Severity, i.Expression, i.Diagnostics)
			}
		})
	}
	if len(responses) < 5 {
		t.Errorf("only %d responses", len(responses))
	}
}
