// Package healthlake owns the control API: the operations of Amazon HealthLake
// on data stores and their tags, as its SDKs and command line speak it: AWS JSON
// 1.0, POST / with the operation in X-Amz-Target.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_Operations.html
//
// One file per operation or group of them; input.go reads members by their
// constraints, properties.go writes what data stores look like.
//
// It leaves to others: who signed a request (sigv4), what a data store is
// (datastore), and listening (server). docs/control-api.md is its manual.
package healthlake
