package rulebook_test

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/demarc/demarc/internal/rulebook"
	"github.com/demarc/demarc/internal/strictyaml"
)

// FuzzService lays any text over a catalog as a service, and proves it as lint does. Every mistake has its place; a catalog
// without mistakes says something of every duty.
func FuzzService(f *testing.F) {
	for _, s := range []string{
		"service: aws/thing\ntitle: A thing\nmodel: paas\narchetype: plain\ntypes: {awsconfig: [AWS::Thing]}\n",
		`service: aws/thing
title: A thing
about: It is there.
model: paas
archetype: plain
replaces: aws/other
types: {awsconfig: [AWS::Thing], awsapi: [{envelope: "Things[]", has: Id, type: thing, complete: false}], terraform: [aws_thing]}
identity: {awsapi: {id: "arn:{partition}:x:{region}:{account}:thing/{Id}", name: Name, aliases: [Id]}}
parts: {aws_thing_part: {by: thing_id, when_absent: {open: false}}}
relations: {groups: {to: aws/thing, by: {awsconfig: "configuration.groups[].id"}}}
facts:
  open: {type: bool, about: Whether it is open., awsconfig: configuration.open, terraform: open, default: {awsconfig: {value: true, source: page}}}
  ports: {type: records, about: Ports., fields: {port: {type: int, path: port}, cidrs: {type: strings, path: "ranges[]"}}, awsconfig: "configuration.ports"}
  engine: {type: string, about: What runs., values: [a, b], map: {A: a}, awsconfig: "json(configuration.x).engine|configuration.engine"}
  world: {type: bool, about: Whether the world gets in., derive: "facts.ports.exists(p, p.cidrs.exists(c, openToWorld(c)))"}
  near: {type: bool, about: Of its group., relation: groups, fact: open, none: false}
duties:
  guest.patching: {holder: [operator, tenant], parts: {operator: Does it., tenant: Do it.}, source: page}
lines:
  - {id: open, when: facts.open == true && facts.engine != 'a', moves: {guest.patching: {holder: operator, part: Does it., source: page}}, because: It is open., source: page}
checks:
  - {id: closed, title: It is closed, duty: network.firewall, severity: high, applies: facts.engine == 'a', pass: facts.world == false, proves: true, fix: {text: Close it.}, also: {prowler: [x]}, source: page}
sources:
  page: {url: "https://example.com/page", section: All, read: 2026-11-23, says: All is said.}
`,
		"service: aws/x\nlines: [{when: 'facts.'}]\nfacts: {a: {type: bool, derive: facts.b}, b: {type: bool, derive: facts.a}}\n",
		"archetype: plain\n", "providers: {}\n", "service: aws/thing\nduties: {guest.*: {holder: nobody}}\nidentity: {kubernetes: {id: '{'}}\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, name := range []string{"aws/thing.yaml", "archetypes/other.yaml", "providers.yaml", "lifecycle/x.yaml"} {
			files := base()
			files[name] = &fstest.MapFile{Data: text}
			book, err := rulebook.Load(files)
			told(t, text, err)
			if book == nil {
				continue
			}
			told(t, text, book.Lint())
		}
	})
}

// told asks that an error is a list of mistakes, each with its file.
func told(t *testing.T, text []byte, err error) {
	if err == nil {
		return
	}
	var mistakes strictyaml.Errors
	if !errors.As(err, &mistakes) || len(mistakes) == 0 {
		t.Fatalf("%q: %v is no list of mistakes", text, err)
	}
	for _, m := range mistakes {
		if m.File == "" || m.Msg == "" {
			t.Errorf("%q: a mistake without a place or a text: %+v", text, m)
		}
	}
}
