package scan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/collect/file"
	"github.com/demarc/demarc/internal/estate"
	"github.com/demarc/demarc/internal/scan"
)

// TestCopiedAnswersStay holds that a copy of an answer stays what it is while the rest are made, whose memory is used again,
// and that going through all of them a second time shows the same.
func TestCopiedAnswersStay(t *testing.T) {
	b, err := book()
	if err != nil {
		t.Fatal(err)
	}
	const buckets = 3000
	var body strings.Builder
	for i := range buckets { // their policies are too long to be shared
		fmt.Fprintf(&body, `{"resourceType": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::bucket-%[1]d", "awsAccountId": "111122223333", "awsRegion": "eu-west-1",
			"configurationItemStatus": "OK", "configuration": {"name": "bucket-%[1]d"}, "supplementaryConfiguration": {"BucketPolicy": {"policyText":
			"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Sid\":\"%[2]s\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:aws:iam::111122223333:role/%[1]d\"},\"Action\":\"*\",\"Resource\":\"*\"}]}"}}}`+"\n",
			i, strings.Repeat(string(rune('a'+i%26)), 2500+i%100))
	}
	in := file.Input{Path: "-", Named: true, Source: &demarc.Source{Name: "estate", Input: "-"}}
	source := &file.Source{Input: in, Stdin: strings.NewReader(body.String()), Envelopes: b.EnvelopeIndex()}
	result, err := scan.Run(t.Context(), scan.Config{Book: b, Estate: &estate.Estate{}, AsOf: asOf, Workers: 1, Sources: []scan.Source{source}})
	if err != nil {
		t.Fatal(err)
	}
	defer result.Close()
	var copies []*demarc.Answer
	for a := range result.Answers() {
		copies = append(copies, a.Clone())
	}
	i := 0
	for a := range result.Answers() {
		same := cmp.Diff(copies[i].Facts, a.Facts, cmp.Comparer(func(a, b demarc.Value) bool { return a.Equal(b) }))
		if copies[i].Resource.ID != a.Resource.ID || same != "" {
			t.Fatalf("%s: the copy changed (-copy +again):\n%s", a.Resource.ID, same)
		}
		i++
	}
	if i < buckets || i != len(copies) {
		t.Errorf("%d answers and %d copies, want %d and the account's", i, len(copies), buckets)
	}
}
