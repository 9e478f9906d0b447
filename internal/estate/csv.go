package estate

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/demarc/demarc/internal/rule"
	"github.com/demarc/demarc/internal/strictyaml"
	"github.com/demarc/demarc/internal/suggest"
)

// csvColumns are the columns that a matrix of assumptions may have, in any order. It needs duty, holder, and one of
// service and where; with both, both must hold.
var csvColumns = []string{"service", "where", "duty", "holder", "id"}

// ParseAssumptionsCSV reads a matrix of assumptions from CSV with a header, as Parse reads them from YAML: a line
//
//	aws/rds,resilience.backup-configuration,provider
//
// below `service,duty,holder` is the entry {where: service == 'aws/rds', duty: ..., holder: ...}. Holders may be
// written as people do, Third Party for third-party. It returns every mistake as strictyaml.Errors.
func ParseAssumptionsCSV(file string, r io.Reader) ([]Assumption, error) {
	data, err := readAtMost(r, strictyaml.MaxBytes)
	if err != nil {
		return nil, fmt.Errorf("read assumptions %q: %w", file, err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	m := matrix{
		parser: parser{file: file, wheres: make(map[string]*rule.Where), ids: make(map[string]strictyaml.Pos)},
		lines:  bytes.Split(data, []byte("\n")),
	}
	assumptions := m.read(data)
	if err := m.errs.Err(); err != nil {
		return nil, err
	}
	return assumptions, nil
}

// readAtMost reads r to its end, which must come within limit bytes.
func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	return data, err
}

// matrix reads one CSV file.
type matrix struct {
	parser
	lines [][]byte
	csv   *csv.Reader
}

func (m *matrix) read(data []byte) []Assumption {
	m.csv = csv.NewReader(bytes.NewReader(data))
	m.csv.TrimLeadingSpace = true
	if first := m.lines[0]; bytes.IndexByte(first, ',') < 0 && bytes.IndexByte(first, ';') >= 0 {
		m.csv.Comma = ';' // as spreadsheets write it where the comma is the decimal sign
	}
	m.csv.FieldsPerRecord = -1 // counted here, so that the mistake is told with the others
	header, ok := m.next()
	if !ok {
		if len(m.errs) == 0 {
			m.errs.Addf(strictyaml.Pos{File: m.file, Line: 1, Column: 1}, "want a header with service or where, duty, and holder")
		}
		return nil
	}
	columns := m.columns(header)
	var out []Assumption
	for {
		row, ok := m.next()
		switch {
		case !ok:
			return out
		case columns == nil:
			continue // the header is told to be wrong; go on for what is no CSV
		case len(out) == MaxEntries:
			m.errs.Addf(row[0].Pos, "more than %d assumptions", MaxEntries)
			return nil
		case len(row) != len(header):
			m.errs.Addf(row[0].Pos, "line has %d fields, the header has %d", len(row), len(header))
		default:
			out = append(out, m.assumption(row, columns))
		}
	}
}

// next returns the fields of the next line, with their places, or false at the end or where the CSV is broken.
func (m *matrix) next() ([]strictyaml.Text, bool) {
	fields, err := m.csv.Read()
	if err != nil {
		if broken, ok := errors.AsType[*csv.ParseError](err); ok {
			m.errs.Addf(m.pos(broken.Line, broken.Column), "not CSV: %v", broken.Err)
		} else if !errors.Is(err, io.EOF) {
			m.errs.Addf(strictyaml.Pos{File: m.file}, "%v", err)
		}
		return nil, false
	}
	row := make([]strictyaml.Text, len(fields))
	for i, f := range fields {
		line, column := m.csv.FieldPos(i)
		if text := m.lines[line-1]; column <= len(text) && text[column-1] == '"' {
			column++
		}
		row[i] = strictyaml.Text{Value: strings.TrimSpace(f), Pos: m.pos(line, column)}
	}
	return row, true
}

// pos returns a place that the CSV reader gives in bytes.
func (m *matrix) pos(line, column int) strictyaml.Pos {
	if line >= 1 && line <= len(m.lines) {
		text := m.lines[line-1]
		column = utf8.RuneCount(text[:min(max(column-1, 0), len(text))]) + 1
	}
	return strictyaml.Pos{File: m.file, Line: line, Column: column}
}

// columns returns where each column stands, or nil if the header is wrong.
func (m *matrix) columns(header []strictyaml.Text) map[string]int {
	columns := make(map[string]int)
	before := len(m.errs)
	for i, t := range header {
		name := strings.ToLower(t.Value)
		if _, twice := columns[name]; twice {
			m.errs.Addf(t.Pos, "column %q stands here twice", name)
		} else if !slices.Contains(csvColumns, name) {
			m.errs.Addf(t.Pos, "unknown column %q%s", t.Value, suggest.DidYouMean(t.Value, slices.Values(csvColumns)))
		}
		columns[name] = i
	}
	_, service := columns["service"]
	_, where := columns["where"]
	if !service && !where {
		m.errs.Addf(header[0].Pos, "the header has neither service nor where")
	}
	for _, name := range []string{"duty", "holder"} {
		if _, ok := columns[name]; !ok {
			m.errs.Addf(header[0].Pos, "the header has no %s", name)
		}
	}
	if len(m.errs) > before {
		return nil
	}
	return columns
}

var (
	serviceID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*$`)
	notLetter = regexp.MustCompile(`[ _-]+`)
)

// assumption makes one line an assumption by way of the entry that would say the same in YAML.
func (m *matrix) assumption(row []strictyaml.Text, columns map[string]int) Assumption {
	cell := func(name string) strictyaml.Text {
		if i, ok := columns[name]; ok && row[i].Value != "" {
			return row[i]
		}
		return strictyaml.Text{}
	}
	x := entry[assumptionYAML]{pos: row[0].Pos}
	x.raw = assumptionYAML{ID: cell("id"), Where: cell("where"), Duty: cell("duty"), Holder: cell("holder")}
	if service := cell("service"); service.Value != "" {
		x.raw.Where = m.inService(service, x.raw.Where)
	}
	if x.raw.Where.Value == "" {
		m.errs.Addf(row[0].Pos, "line says neither a service nor a where; write true for everything")
	}
	x.raw.Holder.Value = notLetter.ReplaceAllString(strings.ToLower(x.raw.Holder.Value), "-")
	x.digest = digest(map[string]string{
		"where": x.raw.Where.Value, "duty": x.raw.Duty.Value, "holder": x.raw.Holder.Value,
	})
	return m.parser.assumption(&x)
}

// inService returns the condition that where holds in a service.
func (m *matrix) inService(service, where strictyaml.Text) strictyaml.Text {
	if !serviceID.MatchString(service.Value) {
		m.errs.Addf(service.Pos, "%q is no service: want one such as aws/rds", service.Value)
		return strictyaml.Text{Value: "true", Pos: service.Pos}
	}
	condition := fmt.Sprintf("service == '%s'", service.Value)
	if where.Value == "" {
		return strictyaml.Text{Value: condition, Pos: service.Pos}
	}
	if m.where(where) == nil { // compiled on its own, so that its mistakes are told where they are
		return strictyaml.Text{Value: "true", Pos: where.Pos}
	}
	return strictyaml.Text{Value: condition + " && (" + where.Value + ")", Pos: where.Pos}
}
