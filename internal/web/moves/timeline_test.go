package moves

import (
	"testing"

	"github.com/demarc/demarc"
)

// What moved for one reason is one shift, whatever the duty and the service; what came to the organization stands first.
func TestShifts(t *testing.T) {
	group := func(duty demarc.DutyID, service demarc.ServiceID, toUs bool, because string, n int) demarc.MoveGroup {
		g := demarc.MoveGroup{Duty: duty, Service: service, From: demarc.HeldByCustomer, To: demarc.HeldByThirdParty, Because: because, Cause: demarc.CauseDeclaration, Count: n}
		if g.ToUs = toUs; toUs {
			g.From, g.To = g.To, g.From
		}
		return g
	}
	got := shifts([]demarc.MoveGroup{
		group("network.fabric", "openstack/server", false, "bound", 3), group("network.fabric", "openstack/image", false, "bound", 2),
		group("identity.service", "openstack/server", false, "bound", 4), group("guest.patching", "azure/vm", true, "ended", 1),
	})
	if len(got) != 2 || !got[0].ToUs || got[0].Count != 1 || got[1].Count != 9 || len(got[1].What) != 2 || got[1].What[0].Count != 5 || len(got[1].What[0].Services) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestTide(t *testing.T) {
	got := newTide([]scan{{Scan: demarc.Scan{ID: 2}, ToUs: 10}, {Scan: demarc.Scan{ID: 1}, ToUs: 5, Away: 1}}, func(demarc.ScanID) string { return "#" })
	if len(got.Bars) != 2 || len(got.Rest) != 1 || got.Bars[0].Scan != 1 || got.Bars[0].X >= got.Bars[1].X || got.Bars[0].Up*2 != got.Bars[1].Up || got.Bars[1].Down != 0 {
		t.Errorf("%+v", got)
	}
}
