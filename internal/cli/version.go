package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	format := "table"
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of demarc and of its catalog",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			book, err := a.rulebook()
			if err != nil {
				return err
			}
			v := struct {
				Version  string `json:"version"`
				Revision string `json:"revision,omitempty"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
				Catalog  string `json:"catalog"`
				Services int    `json:"services"`
			}{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Catalog: book.Digest(), Services: len(book.ServiceIDs())}
			if info, ok := debug.ReadBuildInfo(); ok {
				if info.Main.Version != "" {
					v.Version = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						v.Revision = s.Value
					}
				}
			}
			if format == "json" {
				return json.NewEncoder(a.Out).Encode(v)
			}
			_, err = fmt.Fprintf(a.Out, "demarc %s %s %s\ncatalog %.12s, %d services\n", v.Version, v.Go, v.Platform, v.Catalog, v.Services)
			return err
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", format, "output `FORMAT`: table, json")
	return cmd
}
