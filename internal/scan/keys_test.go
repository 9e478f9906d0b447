package scan_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// TestKeyOfTheSameDocument holds that a setting which names a key is known where it refers to a key of the same template or
// plan, by the name that the document has for it, in every service of AWS whose key is a relation.
func TestKeyOfTheSameDocument(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, svc := range b.Services() {
		for _, ref := range svc.Types {
			for _, named := range ref.Named {
				if svc.Relations[named.Relation].To[0] != "aws/kms" || ref.Part != nil {
					continue
				}
				var document any
				want := "Key"
				switch path := named.Path; ref.Dialect {
				case demarc.CloudFormation:
					document = template(ref.Type, within(path, map[string]any{"Fn::GetAtt": []string{"Key", "Arn"}}))
				case demarc.Terraform:
					document, want = plan(ref.Type, path), "aws_kms_key.key"
				default:
					continue
				}
				n++
				fact := svc.Facts[named.Fact]
				if fact.Type == demarc.TypeStrings {
					want = "[" + want + "]"
				}
				for _, a := range answersOf(t, document) {
					if a.Resource.Service != svc.ID {
						continue
					}
					if got, _ := a.Fact(fact.Name); got.Fact.Value.String() != want {
						t.Errorf("%s: %s of a %s is %s (%s), want %s", svc.ID, fact.Name, ref.Type, got.Fact.Value, got.Fact.Origin, want)
					}
				}
			}
		}
	}
	if n < 60 {
		t.Errorf("%d types of resources name a key, want those of the catalog", n)
	}
}

func answersOf(t *testing.T, document any) []*demarc.Answer {
	t.Helper()
	body, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "case.json")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	answers, _ := assess(t, nil, path)
	return answers
}

// within returns the object in which a value lies at a path.
func within(path rulebook.Alternative, value any) any {
	for _, step := range slices.Backward(path.Rest) {
		if step.Kind == rulebook.StepEach {
			value = []any{value}
		} else {
			value = map[string]any{step.Key: value}
		}
	}
	for _, key := range slices.Backward(path.Keys) {
		value = map[string]any{key: value}
	}
	return value
}

func template(typ string, properties any) any {
	return map[string]any{
		"AWSTemplateFormatVersion": "2010-09-09",
		"Resources": map[string]any{
			"Key":   map[string]any{"Type": "AWS::KMS::Key", "Properties": map[string]any{}},
			"Thing": map[string]any{"Type": typ, "Properties": properties},
		},
	}
}

// plan is one in which a key and what a setting of a resource says of it are known after apply. Blocks are lists of one.
func plan(typ string, path rulebook.Alternative) any {
	names := path.Names()
	after := map[string]any{}
	if last := len(names) - 1; last > 0 {
		after = block(names[:last], []any{map[string]any{}})
	}
	change := func(typ, name string, after, unknown any) any {
		return map[string]any{
			"address": typ + "." + name, "mode": "managed", "type": typ, "name": name,
			"change": map[string]any{"actions": []string{"create"}, "before": nil, "after": after, "after_unknown": unknown},
		}
	}
	configured := func(typ, name string, expressions any) any {
		return map[string]any{"address": typ + "." + name, "mode": "managed", "type": typ, "name": name, "expressions": expressions}
	}
	key := map[string]any{"references": []string{"aws_kms_key.key.arn", "aws_kms_key.key"}}
	return map[string]any{
		"format_version": "1.2", "terraform_version": "1.9.8",
		"resource_changes": []any{
			change("aws_kms_key", "key", map[string]any{}, map[string]any{"arn": true}),
			change(typ, "thing", after, block(names, true)),
		},
		"configuration": map[string]any{"root_module": map[string]any{"resources": []any{
			configured("aws_kms_key", "key", map[string]any{}), configured(typ, "thing", block(names, key)),
		}}},
	}
}

func block(names []string, value any) map[string]any {
	for i := len(names) - 1; i > 0; i-- {
		value = []any{map[string]any{names[i]: value}}
	}
	return map[string]any{names[0]: value}
}
