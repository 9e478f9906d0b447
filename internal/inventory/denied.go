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
			r.denials[denial{p.Ref(), doc.Source, account}] = true
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

// deniedKey finds the denials that may be about a resource.
type deniedKey struct {
	service *rulebook.Service
	source  string
}

// implyDenied names the accounts of which nothing could be read, so that they are there.
func (s *settler) implyDenied() {
	s.denied = map[deniedKey][]denial{}
	for d := range s.inv.denials {
		if d.source == nil {
			continue
		}
		key := deniedKey{d.ref.Service, d.source.Name}
		s.denied[key] = append(s.denied[key], d)
		if d.account != "" && isRootOf(s.inv.book, d.ref.Service) {
			s.seen.wanted(place{s.inv.service(d.ref.Service), d.ref.Service.Provider, d.account}, first{source: d.source, rank: rankDenied})
		}
	}
}

// blind makes the facts of a resource blind that would lie in what could not be read.
func (s *settler) blind(r *record) {
	if len(s.denied) == 0 || r.source == nil {
		return
	}
	for _, d := range s.denied[deniedKey{r.service, r.source.Name}] {
		if !agree(r.account, d.account) {
			continue
		}
		for _, f := range d.ref.Facts {
			if !r.row.At(f.Fact).Known() {
				r.row.set(f.Fact, demarc.Fact{Origin: demarc.Denied})
			}
		}
	}
}
