// Package jsondoc writes a run as one JSON object: the machine contract's header, its resources as an array, and the
// notes.
package jsondoc

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"

	"github.com/demarc/demarc"
	"github.com/demarc/demarc/internal/report"
)

// Note is a note as it is written.
type Note struct {
	Kind    demarc.NoteKind `json:"kind"`
	Input   string          `json:"input,omitempty"`
	Offset  int64           `json:"offset,omitempty"`
	Line    int             `json:"line,omitempty"`
	Column  int             `json:"column,omitempty"`
	Message string          `json:"message"`
}

// Write writes a run, its answers and its notes, which are asked for behind the answers.
func Write(w io.Writer, run demarc.Run, answers iter.Seq[*demarc.Answer], notes func() []demarc.Note) error {
	out := bufio.NewWriterSize(w, 256<<10)
	head := report.AppendHeader(nil, run)
	line := append(head[:len(head)-1], `,"resources":[`...)
	encoder := report.NewEncoder()
	first := true
	for a := range answers {
		if !first {
			line = append(line, ',')
		}
		first = false
		line = append(line, '\n')
		line = encoder.Append(line, a)
		if _, err := out.Write(line); err != nil {
			return err
		}
		line = line[:0]
	}
	kept := notes()
	list := make([]Note, len(kept))
	for i, n := range kept {
		list[i] = Note{Kind: n.Kind, Input: n.Pos.Input, Offset: max(n.Pos.Offset, 0), Line: n.Pos.Line, Column: n.Pos.Column, Message: n.Message}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	line = append(append(append(line, "\n],\"notes\":"...), text...), "}\n"...)
	if _, err := out.Write(line); err != nil {
		return err
	}
	return out.Flush()
}
