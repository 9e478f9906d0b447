// Package report turns answers into the formats in which people and machines take them.
package report

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/demarc/demarc"
)

// Schema is the version of the machine contract.
const Schema = 1

// AppendHeader appends the first line of the machine contract, without a line break.
func AppendHeader(b []byte, run demarc.Run) []byte {
	b = append(b, `{"demarc":{"schema":1,"catalog":`...)
	b = appendString(b, run.Catalog)
	b = append(b, `,"estate":`...)
	b = appendString(b, run.Estate)
	b = append(b, `,"as_of":"`...)
	b = append(b, run.AsOf.Format(time.DateOnly)...)
	return append(b, `"}}`...)
}

// appendDutyHead appends what stands before the values that decided a duty.
func appendDutyHead(b []byte, d *demarc.DutyAnswer) []byte {
	b = append(append(append(b, '"'), d.Duty...), `":{"holder":"`...)
	b = append(append(b, d.Holder...), `","parties":`...)
	if d.Parties == nil {
		b = append(b, `[]`...)
	} else {
		b = appendJSON(b, d.Parties)
	}
	b = append(append(append(b, `,"state":"`...), d.State...), '"')
	if d.Counterpart != "" {
		b = append(append(append(b, `,"counterpart":"`...), d.Counterpart...), '"')
	}
	b = append(b, `,"basis":[`...)
	for i, basis := range d.Basis {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, basis.String())
	}
	return append(b, ']')
}

// appendBecause appends the values that decided a duty, of the facts that it reads.
func appendBecause(b []byte, a *demarc.Answer, reads []string) []byte {
	if len(reads) == 0 {
		return b
	}
	b = append(b, `,"because":{`...)
	for i, name := range reads {
		f, _ := a.Fact(name)
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":`...)
		b = appendValue(b, f.Shown())
	}
	return append(b, '}')
}

func appendValue(b []byte, v demarc.Value) []byte {
	switch v.Type() {
	case demarc.TypeInvalid:
		return append(b, "null"...)
	case demarc.TypeBool:
		return strconv.AppendBool(b, v.AsBool())
	case demarc.TypeInt:
		return strconv.AppendInt(b, v.AsInt(), 10)
	case demarc.TypeString:
		return appendString(b, v.AsString())
	case demarc.TypeStrings, demarc.TypeInts, demarc.TypeRecords:
		if names := v.Names(); names != nil {
			b = append(b, '{')
			for i, f := range v.Fields() {
				if i > 0 {
					b = append(b, ',')
				}
				b = appendValue(append(appendString(b, names.All()[i]), ':'), f)
			}
			return append(b, '}')
		}
		b = append(b, '[')
		for i, e := range v.Elements() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, e)
		}
		return append(b, ']')
	default:
		return appendJSON(b, v)
	}
}

// appendDutyTail appends what stands behind the values that decided a duty.
func appendDutyTail(b []byte, d *demarc.DutyAnswer) []byte {
	if d.Assumed {
		b = append(b, `,"assumed":true`...)
	} else {
		b = append(b, `,"assumed":false`...)
	}
	if len(d.Assignment.Missing) > 0 {
		b = append(b, `,"missing":`...)
		b = appendJSON(b, d.Assignment.Missing)
	}
	if len(d.Parts) > 0 {
		b = append(b, `,"parts":[`...)
		for i, p := range d.Parts {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"party":`...)
			b = appendString(b, string(p.Party))
			b = append(append(b, `,"role":"`...), p.Role.String()...)
			b = append(b, `","part":`...)
			b = appendString(b, p.Text)
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	if len(d.Checks) > 0 {
		b = append(b, `,"checks":{`...)
		for i, c := range d.Checks {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, c.ID)
			b = append(append(append(b, `:"`...), c.Result...), '"')
		}
		b = append(b, '}')
	}
	if len(d.Verdict.Missing) > 0 {
		b = append(b, `,"blind_to":`...)
		b = appendJSON(b, d.Verdict.Missing)
	}
	if d.Believed != "" {
		b = append(append(append(b, `,"believed":"`...), d.Believed...), `","assumption":`...)
		b = appendString(b, d.Assumption)
	}
	if d.Team != "" {
		b = append(b, `,"team":`...)
		b = appendString(b, d.Team)
	}
	return append(b, '}')
}

// appendString appends a string as JSON.
func appendString(b []byte, s string) []byte {
	if isPlain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	return appendJSON(b, s)
}

// appendJSON appends the JSON of a value that cannot fail to have one, without escaping what only HTML minds.
func appendJSON(b []byte, v any) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("report: " + err.Error())
	}
	return append(b, bytes.TrimRight(buf.Bytes(), "\n")...)
}

// isPlain reports whether a string needs no escape.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x7f {
			return false
		}
	}
	return true
}
