// Package demarc is the domain of demarc: the words in which it says who holds each security duty of each cloud
// resource, on what ground, and whether it is done.
//
// # The line
//
// The demarcation point is where a carrier's wiring ends and yours begins. Clouds have one too. It is drawn by the
// shared responsibility model, it is different for every resource, and a single setting can move it: a database
// whose minor upgrades are switched off has an owner for its patches who may not know of it. The pictures that
// providers publish show one line for a whole kind of service. demarc finds the line that is really there, for
// everything an organization runs, and answers four questions about each resource:
//
//  1. Who holds each security duty? The provider, the organization, both, somebody under contract, or nobody.
//  2. On what ground? The setting that decided, its value, the rule, and the provider's own page.
//  3. Is our part done? Proven by a check, failing, attested, or simply never looked at.
//  4. What moved? Between two scans, or between what is and what a plan would make of it.
//
// One principle stands behind every default: assume that you are responsible for whatever you have the power to
// secure. Where a fact is unknown, demarc takes the reading that leaves more with the organization, and says that it
// assumed. A wrong answer of this kind costs somebody a look; the other kind costs a breach that two parties each
// thought was the other's to prevent.
//
// # The words
//
// They mean the same in the code, in YAML and in what demarc prints.
//
//   - A [Resource] is one thing that runs or stores something: a machine, a bucket, a cluster, a tenant. It carries
//     no configuration, only its identity; what matters of its configuration is in its facts.
//   - A duty ([DutyID]) is one atomic obligation, such as "guest.patching". It lies on a [Layer], a floor of the
//     stack. [Duties] lists them all. Publishing a fix and applying it are always two: vendors give them to
//     different parties.
//   - A [Role] is the part that somebody plays for a resource: [Site] holds the building, [Host] owns the machines,
//     [Operator] runs the platform, [Supplier] publishes the software or image, [Tenant] is the customer. The
//     catalog speaks of roles alone.
//   - A [Party] is who plays it: "aws", "platform9", "msp:nightwatch", [Self]. The estate binds roles to parties.
//     That one step covers public, private, hybrid and managed alike.
//   - A [Fact] is one typed [Value] read from a resource's configuration, or the reason why there is none: its
//     [Origin]. Unknown is never false.
//   - A service ([ServiceID]) is an entry of the catalog: which documents it is, the facts to read from them, its
//     archetype, lines and checks. An archetype is the default role for every duty, for one kind of thing.
//   - A line is a rule on facts that moves duties between roles: the demarcation line itself.
//   - An [Assignment] is the answer for one duty of one resource: the [Holder], the parties with their parts, and
//     the [Basis], each step that decided.
//   - A check is a test on facts that proves or disproves the organization's part of a duty. A [Verdict] is what the
//     checks and declarations come to: the [State] of the duty.
//   - The estate is what an organization declares in demarc.yaml: parties, bindings, engagements, teams, exceptions,
//     attestations, and what it believes today. Beliefs never change an answer; they are held against it.
//   - A [Gap] is why a duty needs somebody's attention. The worst is misassumed: a duty believed to be somebody
//     else's that is the organization's own.
//   - A [Document] is provider-native JSON with its [Dialect]; a [Note] is what a person must know about an input.
//     Nothing that was read is lost silently.
//
// An [Answer] holds all that is said of one resource, and every surface of demarc shows Answers.
//
// With a store there is a history. A [Scan] is one finished reading; a [Move] is a duty that changed hands between two;
// a [Finding] is a gap with the scans in which it was first and last seen. A [Filter] says what of all this somebody
// wants to see, and is the same on the command line, in a page's address and in the API. A [Declaration] is what a
// person records beside the estate: that a team accepts a duty, attests it, or excepts a failing check.
//
// # The flow
//
//	collect ──▶ inventory ──▶ responsibility ──▶ assess ──▶ report
//	documents   resources     assignments        states     answers
//	            with facts
//	                ▲               ▲               ▲
//	                └───────── catalog + estate ────┘
//
// Documents are brought one at a time and interpreted by nobody on the way. The inventory scans each once, takes the
// facts that the catalog declares, and forgets the rest: no secret that a configuration may hold gets further. What
// follows is arithmetic. Who holds a duty is a function of the facts, the catalog, the estate and the as-of date; its
// state is another. Neither reads a clock, a file or the network, and the order of the input does not matter.
//
// # Where to look
//
// This package imports the standard library only, and everything else imports it. From here:
//
//   - catalog/ is the knowledge, one YAML file for each service with its proof beside it; docs/adding-a-service.md
//     is its format.
//   - internal/scan is the whole pipeline in one readable function.
//   - internal/rulebook reads and proves the catalog; rulebook.Service.Choose is the rule for what is unknown.
//   - internal/inventory turns documents into resources with facts; Settle brings together what is said in several.
//   - internal/responsibility and internal/assess give the answers.
//   - internal/rule is CEL over typed facts in three-valued logic; internal/jscan reads JSON in one pass.
//   - internal/store keeps the history; its doc.go lists what can be asked of it.
//   - docs/architecture.md tells how these hang together, docs/decisions/ why, docs/limitations.md what is not seen.
package demarc
