// Package store keeps the history of what demarc found: scans, and what changed between them.
//
// One implementation over database/sql serves SQLite, one file without a server, and PostgreSQL. Many organizations can
// share a store; each row belongs to one. What a reader may ask, in the words of package demarc (at is an organization
// and a scan, 0 for its latest):
//
//	Organizations(ctx) ([]demarc.Organization, error)
//	Scans(ctx, organization, page) (demarc.Paged[demarc.Scan], error)       // newest first
//	Scan(ctx, at) (demarc.Scan, error)                                      // with its sources
//	Overview(ctx, at, filter) (demarc.Overview, error)
//	Groups(ctx, at, filter, by) ([]demarc.Group, error)                     // most resources first
//	Line(ctx, at, filter, by, columns) (demarc.Line, error)                 // at most so many columns
//	Trend(ctx, organization, filter, period) ([]demarc.TrendPoint, error)   // oldest first
//
//	Resources(ctx, at, filter, order, page) (demarc.Paged[demarc.StoredResource], error)
//	Answer(ctx, at, id) (demarc.StoredAnswer, error)                        // demarc.ErrNotFound
//	Answers(ctx, at, filter) iter.Seq2[*demarc.Answer, error]               // by id; valid until the next
//	Versions(ctx, organization, id) ([]demarc.Version, error)               // newest first
//
//	Findings(ctx, at, filter, status, order, page) (demarc.Paged[demarc.Finding], error)
//	FindingGroups(ctx, at, filter) ([]demarc.FindingGroup, error)           // worst first
//	BlindSpots(ctx, at, filter) ([]demarc.BlindSpot, error)                 // those that hide most first
//	Moves(ctx, organization, filter, period, page) (demarc.Paged[demarc.Move], error) // newest first
//	MoveGroups(ctx, organization, filter, period) ([]demarc.MoveGroup, error)         // to us first
//
//	Declarations(ctx, organization) ([]demarc.Declaration, error)           // newest first, the withdrawn among them
//	Audit(ctx, organization, page) (demarc.Paged[demarc.AuditEntry], error) // newest first
//	Content(ctx, digest) (store.Content, error)                             // the catalog or estate that a scan used
//
// And what a writer may do; actor is who does it, for the audit log:
//
//	Record(ctx, Recording, answers) (demarc.Scan, error)                    // all of a scan, or nothing of it
//	Declare(ctx, organization, actor, demarc.Declaration) (demarc.Declaration, error)
//	Withdraw(ctx, organization, actor, id) error
//
// A scan is recorded in one transaction: it is wholly there or not at all. What did not change since the scan before
// is not written again: a row says from which scan to which it is so. Filters, counts and orders are worked out over
// numbers in memory that a scan is read into once (snapshot.go); the database gives only what is shown.
package store
