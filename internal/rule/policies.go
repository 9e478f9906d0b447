package rule

import (
	"strings"
	"sync"

	"github.com/demarc/demarc/internal/policy"
)

// policies remembers the policies that were read last: the conditions of a service ask the same document one after the
// other, and many resources carry the same one. It is safe for concurrent use.
type policies struct {
	mu         sync.Mutex
	young, old map[string]parsed // by their text; the young become the old when there is too much of them
	size       int               // bytes of text in young
}

type parsed struct {
	policy *policy.Policy
	err    error
}

const maxPolicies = 512 << 10 // bytes of text; what is made of it takes some times as much

var policiesRead policies

// parse is policy.Parse.
func (p *policies) parse(text string) (*policy.Policy, error) {
	p.mu.Lock()
	known, ok := p.young[text]
	if !ok {
		known, ok = p.old[text]
	}
	p.mu.Unlock()
	if ok {
		return known.policy, known.err
	}
	text = strings.Clone(text) // it may be a piece of something large
	known.policy, known.err = policy.Parse(text)
	if len(text) > policy.MaxBytes { // that it is too long is known soon enough
		return known.policy, known.err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.young == nil || p.size+len(text) > maxPolicies {
		p.young, p.old, p.size = map[string]parsed{}, p.young, 0
	}
	p.young[text] = known
	p.size += len(text)
	return known.policy, known.err
}
