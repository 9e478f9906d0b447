package generate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// How much a generated organization declares.
const (
	Exceptions  = 100
	Engagements = 20
	Teams       = 40
	Bindings    = 12
	Attested    = 30
)

// Declarations returns a demarc.yaml for estates of these formats: parties, bindings, engagements, assumptions, teams,
// attestations, assurances and exceptions, as many as a large organization has.
func Declarations(seed uint64, formats []Format, accounts int) []byte {
	r := rand.New(rand.NewPCG(seed, 0xdec1)) //nolint:gosec // the same declarations each time is what is wanted
	var b bytes.Buffer
	providers := providersOf(formats)
	provider := func() string { return providers[r.IntN(len(providers))] }
	account := func(p string) string { return accountOf(p, seed, r.IntN(max(1, accounts))) }
	fmt.Fprintf(&b, "organization: Northwind\nparties:\n")
	for i := range 8 {
		fmt.Fprintf(&b, "  msp%d: {title: Partner %d, kind: msp}\n", i, i)
	}
	b.WriteString("bindings:\n")
	for i := range Bindings {
		p := provider()
		fmt.Fprintf(&b, "  - {id: binding-%d, where: \"provider == '%s' && account == '%s'\", supplier: msp%d}\n", i, p, account(p), r.IntN(8))
	}
	b.WriteString("engagements:\n")
	takes := []string{"operations.monitoring", "operations.incident-response", "guest.*", "runtime.engine-patching", "resilience.*", "identity.accounts"}
	for i := range Engagements {
		until := "2027-06-30"
		if i%5 == 4 {
			until = "2026-06-30" // it has lapsed
		}
		fmt.Fprintf(&b, "  - {id: engagement-%d, party: msp%d, where: \"%s\", takes: [%s], from: 2025-01-01, until: %s, contract: C-%04d}\n",
			i, r.IntN(8), where(r, provider(), account), takes[r.IntN(len(takes))], until, i)
	}
	b.WriteString("assumptions:\n")
	duties := []string{"guest.patching", "resilience.backup-configuration", "data.encryption-configuration", "operations.audit-logging", "network.exposure"}
	for i := range 20 {
		fmt.Fprintf(&b, "  - {id: assumption-%d, where: \"%s\", duty: %s, holder: provider}\n", i, where(r, provider(), account), duties[i%len(duties)])
	}
	b.WriteString("teams:\n")
	for i := range Teams {
		fmt.Fprintf(&b, "  - {id: team-%d, team: %s-%d, where: \"tags.team == '%s' && region == '%s'\", duties: [application.*, runtime.*, data.*]}\n",
			i, teams[i%len(teams)], i, teams[i%len(teams)], []string{"eu-west-1", "us-east-1", "eu-central-1", "us-west-2"}[i/len(teams)%4])
	}
	b.WriteString("attestations:\n")
	for i := range Attested {
		fmt.Fprintf(&b, "  - {id: attestation-%d, duty: resilience.restore-testing, where: \"%s\", by: %s, on: 2026-%02d-01, until: 2027-%02d-01, evidence: T-%d}\n",
			i, where(r, provider(), account), teams[i%len(teams)], 1+i%10, 1+i%10, i)
	}
	b.WriteString("assurances:\n")
	for _, p := range providers {
		if p == "aws" || p == "azure" || p == "gcp" || p == "microsoft365" {
			fmt.Fprintf(&b, "  - {id: report-%s, party: %s, report: SOC 2 Type II, until: 2027-03-31}\n", p, p)
		}
	}
	b.WriteString("exceptions:\n")
	for i := range Exceptions {
		p := provider()
		check := checksOf[p][r.IntN(len(checksOf[p]))]
		fmt.Fprintf(&b, "  - {id: exception-%d, check: %s, where: \"%s\", reason: Mended by the end of the quarter, owner: %s, until: 202%d-03-31}\n",
			i, check, where(r, p, account), teams[i%len(teams)], 6+i%2)
	}
	return b.Bytes()
}

// where returns a condition of one of the kinds that organizations write.
func where(r *rand.Rand, provider string, account func(string) string) string {
	switch r.IntN(4) {
	case 0:
		return fmt.Sprintf("provider == '%s' && account == '%s'", provider, account(provider))
	case 1:
		return fmt.Sprintf("provider == '%s' && tags.environment == '%s'", provider, envs[r.IntN(len(envs))])
	case 2:
		return fmt.Sprintf("account in ['%s', '%s', '%s']", account(provider), account(provider), account(provider))
	default:
		return fmt.Sprintf("provider == '%s' && tags.team == '%s'", provider, teams[r.IntN(len(teams))])
	}
}

func accountOf(provider string, seed uint64, index int) string {
	w := &writer{scope: &scope{seed: seed, account: index}}
	form := op{do: "identity", of: ofAccount, text: "digits", a: 12}
	switch provider {
	case "azure":
		form.text = "uuid"
	case "gcp", "kubernetes":
		form.text = "name"
	case "openstack":
		form.text, form.a = "hex", 32
	}
	w.identity(&form)
	return w.b.String()
}

func providersOf(formats []Format) []string {
	of := map[Format]string{
		AWSConfig: "aws", AWSAPI: "aws", CloudFormation: "aws", TerraformPlan: "aws", TerraformState: "aws", ResourceGraph: "azure",
		CloudAsset: "gcp", Kubernetes: "kubernetes", OpenStack: "openstack", VSphere: "vsphere", Graph: "microsoft365",
	}
	var out []string
	seen := map[string]bool{}
	for _, f := range formats {
		if p := of[f]; !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}

// checksOf names checks of the catalog that exceptions are made for.
var checksOf = map[string][]string{
	"aws":          {"aws/s3/versioning", "aws/s3/access-logging", "aws/s3/customer-key", "aws/rds/public-access", "aws/security-group/no-open-ssh", "aws/security-group/egress-limited"},
	"azure":        {"azure/storage/*"},
	"gcp":          {"gcp/storage/*"},
	"kubernetes":   {"kubernetes/workload/*"},
	"openstack":    {"openstack/server/*"},
	"vsphere":      {"vsphere/vm/*"},
	"microsoft365": {"microsoft365/directory/*"},
}
