package overview

import (
	"slices"
	"testing"

	"github.com/demarc/demarc"
)

// A duty that changed hands in one way is one row, whatever the services; what came to us stands first.
func TestMovesStandTogether(t *testing.T) {
	ours := func(service demarc.ServiceID, count int) demarc.MoveGroup {
		return demarc.MoveGroup{Duty: "platform.patching", Service: service, From: demarc.HeldByThirdParty, To: demarc.HeldByCustomer, ToUs: true, Count: count}
	}
	away := demarc.MoveGroup{Duty: "guest.patching", Service: "aws/ec2", From: demarc.HeldByCustomer, To: demarc.HeldByProvider, Count: 50}
	got := together([]demarc.MoveGroup{away, ours("openstack/server", 3), ours("openstack/image", 2), ours("openstack/server", 1)})
	if len(got) != 2 || got[0].Duty != "platform.patching" || got[0].Count != 6 || !slices.Equal(got[0].Services, []demarc.ServiceID{"openstack/server", "openstack/image"}) || got[1].Count != 50 {
		t.Errorf("together: %+v", got)
	}
}
