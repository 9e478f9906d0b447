package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/demarc/demarc/internal/jscan"
)

const (
	maxYAMLNodes = 5_000_000
	maxAliased   = 200_000 // nodes that aliases add
	maxYAMLDepth = 200
)

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// yaml goes through the documents of a YAML text. Each becomes JSON, with the short tags of CloudFormation in their
// long form, and is then what it would be as JSON.
func (f *framer) yaml(r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, maxYAML+1))
	if err != nil {
		return err
	}
	if len(text) > maxYAML {
		return fmt.Errorf("YAML of more than %d MiB", maxYAML>>20)
	}
	if bytes.IndexByte(text, 0) >= 0 {
		return errors.New("binary data; expected JSON or YAML")
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	some := false
	for {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
				f.line, _ = strconv.Atoi(m[1])
				f.refuseAt(-1, m[2])
				return nil
			}
			return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
		}
		if n.Kind == 0 || len(n.Content) == 0 || n.Content[0].Tag == "!!null" {
			continue // an empty document
		}
		root := n.Content[0]
		f.line = root.Line
		if root.Kind == yaml.ScalarNode {
			f.refuseAt(-1, "neither JSON nor YAML of a kind that demarc knows")
			return nil
		}
		some = true
		c := yamlConverter{}
		body, err := json.Marshal(c.value(root, 0))
		if err == nil {
			if err = c.err; err != nil {
				f.line = c.line
			}
		}
		if err == nil {
			err = jscan.Valid(body)
		}
		if err != nil {
			f.refuseAt(-1, err.Error())
			continue
		}
		if err := f.inMemory(body, 0); err != nil {
			return err
		}
	}
	if !some && f.sequence == 0 {
		f.line = 0
		f.refuseAt(-1, "no document in it: only comments or empty YAML")
	}
	return nil
}

type yamlConverter struct {
	nodes   int
	aliases int // that are being followed
	aliased int // nodes that they have added
	err     error
	line    int // of err
}

func (c *yamlConverter) value(n *yaml.Node, depth int) any {
	if c.aliases > 0 {
		c.aliased++
	}
	if c.nodes++; c.nodes > maxYAMLNodes || c.aliased > maxAliased || depth > maxYAMLDepth {
		c.err, c.line = errors.New("aliases or nesting make it too large"), n.Line
		return nil
	}
	v := c.plain(n, depth)
	if !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") || n.Tag == "!" {
		return v
	}
	// !GetAtt a.b is {"Fn::GetAtt": "a.b"}.
	switch name := n.Tag[1:]; name {
	case "Ref", "Condition":
		return map[string]any{name: v}
	default:
		return map[string]any{"Fn::" + name: v}
	}
}

func (c *yamlConverter) plain(n *yaml.Node, depth int) any {
	switch n.Kind {
	case yaml.AliasNode:
		c.aliases++
		defer func() { c.aliases-- }()
		return c.value(n.Alias, depth+1)
	case yaml.MappingNode:
		out := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if k.Tag == "!!merge" {
				if inner, ok := c.value(v, depth+1).(map[string]any); ok {
					for key, value := range inner {
						if _, have := out[key]; !have {
							out[key] = value
						}
					}
				}
				continue
			}
			out[k.Value] = c.value(v, depth+1)
		}
		return out
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, e := range n.Content {
			out = append(out, c.value(e, depth+1))
		}
		return out
	case yaml.ScalarNode:
		return scalar(n)
	default:
		return nil
	}
}

// scalar is the JSON of a YAML scalar. What JSON has no word for stays text.
func scalar(n *yaml.Node) any {
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true") || strings.EqualFold(n.Value, "yes") || strings.EqualFold(n.Value, "on")
	case "!!int":
		if strings.HasPrefix(n.Value, "0") && n.Value != "0" && !strings.HasPrefix(n.Value, "0x") {
			return n.Value // an account id, a file mode: its digits are what counts
		}
		var i int64
		if n.Decode(&i) == nil {
			return i
		}
	case "!!float":
		var f float64
		if n.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f
		}
	}
	return n.Value
}
