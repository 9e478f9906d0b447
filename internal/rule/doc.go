// Package rule compiles CEL expressions over typed facts, and evaluates them in three-valued logic.
//
// An expression reads the facts that a service declares, each as facts.NAME, and nothing else. A name that is not
// declared or a wrong type is an error of Compile, with its line and column. A fact that is not known makes the
// result unknown, unless the result is the same whatever the fact is: `false && unknown` is false.
//
// Besides CEL's operators and size, contains, startsWith, endsWith, matches, exists, exists_one, all, filter and map
// there are these functions:
//
//	lowerAscii                     of a string, as a method
//	versionAtLeast(v, '1.30')      compares versions, as versionAtLeast's comment says
//	openToWorld(cidr)              whether a firewall source covers the internet
//	ageDays(time)                  whole days before the as-of date
//	dayIn(name)                    the day that is written in a name, such as 1.31.2-20241121
//	maybe(condition)               false where a condition is, and otherwise unknown: nothing tells whether it holds
//	supportOf('table', version)    which support a version has on the as-of date: standard, extended or ended
//	policyIsPublic(doc)            whether a policy of AWS lets anybody in
//	policyIsAdmin(doc)             whether it allows everything
//	policyAllows(doc, 'iam:X')     whether it allows an action on every resource
//	policyEscalations(doc)         the published ways in which it leads to more permissions than it gives
//	policyEscalations(doc, limit)  the same within a permissions boundary
//	policyServices(doc)            the services of which it allows everything
//	policyOutsiders(doc, account)  whom it lets in from outside an account, "*" for anybody
//	policyUnbound(doc, account)    those of them whom a trust policy asks neither for a secret nor for an organization
//	policyDeputies(doc)            the services that it lets in without asking on whose behalf they come
//	policyGrants(doc)              what it grants to whom, in sentences
//	policyOf(statement)            the policy that a statement makes which stands by itself, to ask all this of
//
// Package policy says what each of these means.
//
// What an evaluation may cost is bounded: by an estimate when the expression is compiled, and by counting its steps where
// lists and texts are so large that it may take more than some tenths of a second. The pattern of matches is bounded too.
package rule
