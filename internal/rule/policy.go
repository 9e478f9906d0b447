package rule

import "errors"

type policy struct{}

func parsePolicy(string) (policy, error) { return policy{}, errors.New("policies are not read yet") }
func (policy) isPublic() bool            { return false }
func (policy) isAdmin() bool             { return false }
func (policy) allows(string) bool        { return false }
