// Package filter evaluates RocketMQ's SQL-92 expressions over the properties of
// a stored message.
//
// Compile turns the text into a tree once; Match then reads the property bytes
// as they lie in the log and makes no garbage. The grammar and the rules of
// evaluation are RocketMQ's, odd as some of them are: properties are text and
// become numbers where they meet a number; a property that is missing is NULL,
// with three-valued logic; text that is not the number it is compared as makes
// the whole expression not match, whatever else it says. They were learned by
// running RocketMQ, and a comparison with it over generated expressions is part
// of the compatibility suite. What differs on purpose:
//
//   - RocketMQ silently ignores what follows a complete expression
//     ("a = 1 b = 2" is "a = 1" there); here that is an error, with its
//     position.
//   - Expressions are limited to MaxBytes and a nesting of 256.
//   - Digits of other scripts are no digits.
package filter
