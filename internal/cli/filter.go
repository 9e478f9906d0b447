package cli

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/demarc/demarc"
)

// filterFlags are a flag for each key of a filter.
type filterFlags struct {
	values map[string]*[]string
}

// add adds a flag for each key that f allows.
func (f *filterFlags) add(cmd *cobra.Command, allowed func(*demarc.FilterKey) bool) {
	f.values = map[string]*[]string{}
	for i := range demarc.FilterKeys {
		k := &demarc.FilterKeys[i]
		if !allowed(k) {
			continue
		}
		about := "only `" + strings.ToUpper(k.Key) + "`: " + k.About
		short := ""
		if k.Key == "q" {
			about, short = "only what has these `WORDS` in id, name or tags", "q"
		}
		if k.Values != nil {
			about += " (" + strings.Join(k.Values, ", ") + ")"
		}
		name := k.Key
		if name == "q" {
			name = "search"
		}
		f.values[k.Key] = cmd.Flags().StringArrayP(name, short, nil, about)
		if k.Values != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(k.Values, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

func everyKey(*demarc.FilterKey) bool { return true }

// scopeKeys are those that a declaration may be about.
func scopeKeys(k *demarc.FilterKey) bool {
	return slices.Contains([]string{"provider", "source", "account", "region", "service", "type", "id", "name", "tag"}, k.Key)
}

// filter reads the flags.
func (f *filterFlags) filter() (demarc.Filter, error) {
	values := url.Values{}
	for key, list := range f.values {
		if len(*list) > 0 {
			values[key] = *list
		}
	}
	return demarc.ParseFilter(values)
}

// sourceFlags are the flags of a command whose answers come from inputs or from a store.
type sourceFlags struct {
	store   storeFlags
	scan    int64
	filters filterFlags
}

func (f *sourceFlags) add(cmd *cobra.Command) {
	f.addStore(cmd)
	f.filters.add(cmd, everyKey)
}

func (f *sourceFlags) addStore(cmd *cobra.Command) {
	f.store.add(cmd)
	scanFlag(cmd, &f.scan)
}

// answers gets the answers that a command is about: from a store if one is named and no input is, else from the inputs.
// Of them only those that the filter wants are gone through; what it asks of duties is the caller's to ask.
func (a *app) answers(cmd *cobra.Command, in *inputFlags, f *sourceFlags, args []string) (*run, demarc.Filter, error) {
	filter, err := f.filters.filter()
	if err != nil {
		return nil, filter, err
	}
	if len(in.inputs)+len(args) == 0 && a.given(&f.store) {
		r, err := a.fromStore(cmd.Context(), &f.store, demarc.ScanID(f.scan), filter)
		return r, filter, err
	}
	if f.scan != 0 || f.store.place != "" {
		return nil, filter, errors.New("answers come from inputs or from a store: name one of them")
	}
	if len(filter.Archetypes) > 0 || filter.Stale != demarc.Either {
		return nil, filter, errors.New("--archetype and --stale ask a store")
	}
	r, err := a.pipeline(cmd.Context(), in, args)
	if err != nil {
		return nil, filter, err
	}
	r.filter = filter
	return r, filter, nil
}
