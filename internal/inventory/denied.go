package inventory

import (
	"slices"
	"strings"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/rulebook"
)

// denial is a type of document that could not be read, in one source.
type denial struct {
	ref     *rulebook.TypeRef
	source  *demarc.Source
	account string
}

// denied takes an error body. Its Context says what was asked for: an operation of AWS such as
// "rds:DescribeDBInstances", a type of Azure, a kind of Kubernetes, what @odata.context would have said; or its
// Envelope does. Where no type of the catalog is meant, the source has told what there is to tell.
func (r *Reader) denied(doc *demarc.Document) {
	account := ""
	if doc.Source != nil {
		account = doc.Source.Account
	}
	_, operation, _ := strings.Cut(doc.Context, ":")
	for _, verb := range []string{"Describe", "List", "Get", "BatchGet"} {
		if rest, ok := strings.CutPrefix(operation, verb); ok {
			operation = rest
			break
		}
	}
	for _, p := range r.inv.book.Places(doc.Dialect) {
		if asks(p, doc, operation) {
			r.denials = append(r.denials, denial{p.Ref(), doc.Source, account})
		}
	}
}

// asks reports whether what was asked for are documents of a type.
func asks(p *rulebook.Place, doc *demarc.Document, operation string) bool {
	if doc.Envelope != "" {
		return len(p.Envelope) > 0 && p.Envelope[0] == doc.Envelope
	}
	switch doc.Dialect {
	case demarc.AWSAPI:
		member := func(m string) bool { return strings.EqualFold(strings.TrimSuffix(m, "[]"), operation) }
		return operation != "" && slices.ContainsFunc(p.Envelope, member)
	case demarc.Kubernetes:
		kind := strings.ToLower(p.Type[strings.LastIndexByte(p.Type, '/')+1:])
		asked := strings.ToLower(doc.Context)
		return asked != "" && (asked == kind || asked == kind+"s" || asked == kind+"es" || asked == strings.TrimSuffix(kind, "y")+"ies")
	case demarc.Graph:
		return doc.Context != "" && strings.EqualFold(p.Context, doc.Context)
	default:
		return doc.Context != "" && strings.EqualFold(p.Type, doc.Context)
	}
}

// denials makes the facts blind that would lie in what could not be read.
func (s *settler) denials() {
	for _, d := range s.inv.denials {
		blind := func(r *record) {
			for _, f := range d.ref.Facts {
				if !r.row.At(f.Fact).Known() {
					r.row.set(f.Fact, demarc.Fact{Origin: demarc.Denied})
				}
			}
		}
		some := false
		for _, r := range s.live {
			if r.service == d.ref.Service && sameSource(r.source, d.source) && agree(r.account, d.account) {
				blind(r)
				some = true
			}
		}
		if !some && d.account != "" && isRootOf(s.inv.book, d.ref.Service) {
			blind(s.impliedRecord(d.ref.Service, d.ref.Service.Provider, d.account, d.source))
		}
	}
}

func sameSource(a, b *demarc.Source) bool { return a != nil && b != nil && a.Name == b.Name }
