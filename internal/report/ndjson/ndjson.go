// Package ndjson writes the machine contract: a line for the run, then one for each resource, sorted by id.
package ndjson

import (
	"bufio"
	"io"
	"iter"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report"
)

// Write writes a run and its answers.
func Write(w io.Writer, run demarc.Run, answers iter.Seq[*demarc.Answer]) error {
	out := bufio.NewWriterSize(w, 256<<10)
	line := append(report.AppendHeader(nil, run), '\n')
	if _, err := out.Write(line); err != nil {
		return err
	}
	encoder := report.NewEncoder()
	for a := range answers {
		line = append(encoder.Append(line[:0], a), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return out.Flush()
}
