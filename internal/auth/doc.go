// Package auth knows who may do what: users with their secrets, and access
// control lists of RocketMQ's second kind (ACL 2.0).
//
// What it keeps true:
//
//   - What no policy allows is denied, but for users of the type Super.
//   - A change of users or policies is in the key store before it answers, and
//     holds for every request that begins afterwards.
//   - A secret is written to the key store and nowhere else: no log, no error
//     and no printed value has it.
//   - Whoever asks twice for the same is answered from memory. With
//     authentication off nobody calls this package for a request.
//
// The decision is a pure function (core.go); an Access holds users and policies
// in an immutable table behind an atomic pointer, with the decisions that were
// taken of it. The rows are described in rows.go.
package auth
