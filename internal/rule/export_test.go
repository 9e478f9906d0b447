package rule

// ByCEL reports whether it takes CEL to answer a question.
func ByCEL(q *Question) bool { return q.programs.plain != nil }
