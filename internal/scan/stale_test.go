package scan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/scan"
)

// TestStaleTables holds that a run tells of the lifecycles in which it looked versions up that they are old, and of no other's:
// neither those of its services in which it did not, nor those in which another run with the same catalog did.
func TestStaleTables(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	of := func(engine, version string) string {
		return fmt.Sprintf(`{"resourceType": "AWS::RDS::DBInstance", "ARN": "arn:aws:rds:eu-west-1:111122223333:db:%[1]s", "resourceId": "%[1]s",
			"awsAccountId": "111122223333", "awsRegion": "eu-west-1", "configurationItemStatus": "OK",
			"configuration": {"dBInstanceIdentifier": "%[1]s", "engine": "%[1]s", "engineVersion": "%[2]s"}}`, engine, version)
	}
	function := `{"resourceType": "AWS::Lambda::Function", "ARN": "arn:aws:lambda:eu-west-1:111122223333:function:f", "resourceId": "f",
		"awsAccountId": "111122223333", "awsRegion": "eu-west-1", "configurationItemStatus": "OK", "configuration": {"functionName": "f", "runtime": "nodejs22.x"}}`
	topic := `{"resourceType": "AWS::SNS::Topic", "ARN": "arn:aws:sns:eu-west-1:111122223333:t", "resourceId": "arn:aws:sns:eu-west-1:111122223333:t",
		"awsAccountId": "111122223333", "awsRegion": "eu-west-1", "configurationItemStatus": "OK", "configuration": {}}`
	for _, tt := range []struct {
		document string
		want     []string
	}{
		{of("oracle-ee", "19.0.0.0"), []string{"rds-oracle"}},
		{of("postgres", "16.4"), []string{"rds-postgresql"}},
		{topic, nil},
		{function, []string{"lambda-runtimes"}}, // by a fact that is derived
	} {
		source := &file.Source{
			Input: file.Input{Path: "-", Named: true, Source: &demarc.Source{Name: "estate", Input: "-"}},
			Stdin: strings.NewReader(tt.document), Envelopes: b.EnvelopeIndex(),
		}
		config := scan.Config{Book: b, Estate: &estate.Estate{}, AsOf: asOf.AddDate(10, 0, 0), Workers: 2, Sources: []scan.Source{source}}
		result, err := scan.Run(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		result.Finish()
		var got []string
		for _, n := range result.Notes.Kept {
			if id, _, ok := strings.Cut(strings.TrimPrefix(n.Message, "lifecycle "), " was read on "); ok && n.Kind == demarc.NoteStale {
				got = append(got, id)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s\ntells of %q as old, want %q", tt.document, got, tt.want)
		}
		if err := result.Close(); err != nil {
			t.Error(err)
		}
	}
}
