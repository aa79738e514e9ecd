package healthlake

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
)

// A tag is one of a data store's.
type tag struct{ Key, Value string }

// reserved reports whether AWS keeps a tag's key for itself.
func reserved(key string) bool { return strings.HasPrefix(strings.ToLower(key), "aws:") }

// tags reads a list of tags; nil where there are none.
func (in *input) tags(name string, required bool) map[string]string {
	var tags map[string]string
	for i, value := range in.list(name, required, maxTags) {
		member := name + "." + strconv.Itoa(i+1) + ".member"
		members, ok := value.(map[string]any)
		if !ok {
			in.wrongType(member, "a structure")
			continue
		}
		one := in.part(members, in.at(member)+".")
		key, text := one.text("Key", tagKeyConstraint), one.text("Value", tagValueConstraint)
		if _, twice := tags[key]; twice {
			one.breaks("Key", key, "Member must be unique among the tags")
		}
		if reserved(key) {
			one.breaks("Key", key, "Member must not begin with aws:, which AWS keeps for itself")
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[key] = text
	}
	return tags
}

// tag adds tags, and replaces those with the same keys.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_TagResource.html
func (c *call) tag() (any, error) {
	arn := c.in.text("ResourceARN", arnConstraint)
	added := c.in.tags("Tags", true)
	if _, err := c.tagged(arn); err != nil {
		return nil, err
	}
	err := c.retag(func(r *datastore.Record) error {
		maps.Copy(r.Control.Tags, added)
		if len(r.Control.Tags) > maxTags {
			return failed(codeValidation, "A data store may have %d tags; it would have %d.", maxTags, len(r.Control.Tags))
		}
		return nil
	})
	return struct{}{}, err
}

// untag removes tags; those that are not there are no error.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_UntagResource.html
func (c *call) untag() (any, error) {
	arn := c.in.text("ResourceARN", arnConstraint)
	var keys []string
	for i, value := range c.in.list("TagKeys", true, maxTags) {
		member := "TagKeys." + strconv.Itoa(i+1) + ".member"
		key, ok := value.(string)
		if !ok {
			c.in.wrongType(member, "a string")
			continue
		}
		c.in.checkText(member, key, tagKeyConstraint)
		keys = append(keys, key)
	}
	if _, err := c.tagged(arn); err != nil {
		return nil, err
	}
	err := c.retag(func(r *datastore.Record) error {
		for _, key := range keys {
			delete(r.Control.Tags, key)
		}
		return nil
	})
	return struct{}{}, err
}

// retag changes the tags of the call's data store, which has to be within the
// caller's reach before and after: by tags of their own callers would come to
// data stores, or take them out of what whoever else is limited to them may see.
func (c *call) retag(change func(*datastore.Record) error) error {
	_, err := c.change(c.store, func(r *datastore.Record) error {
		if err := c.within(r.Control); err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		return c.within(r.Control)
	})
	return err
}

// listedTags is how ListTagsForResource answers.
type listedTags struct{ Tags []tag }

// listTags returns the tags of a data store, by their keys.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_ListTagsForResource.html
func (c *call) listTags() (any, error) {
	r, err := c.tagged(c.in.text("ResourceARN", arnConstraint))
	if err != nil {
		return nil, err
	}
	result := listedTags{Tags: []tag{}}
	if r.Control != nil {
		for _, key := range slices.Sorted(maps.Keys(r.Control.Tags)) {
			result.Tags = append(result.Tags, tag{key, r.Control.Tags[key]})
		}
	}
	return result, nil
}

// tagged finds the data store that an ARN names, which the caller may use. All
// members were read before.
func (c *call) tagged(arn string) (datastore.Record, error) {
	if err := c.in.finish(); err != nil {
		return datastore.Record{}, err
	}
	id := validARN.FindStringSubmatch(arn)[1]
	if err := c.allow(id); err != nil {
		return datastore.Record{}, err
	}
	r, err := c.h.cfg.Stores.Describe(c.ctx, id)
	if err != nil {
		return r, err
	}
	if c.h.arn(r) != arn || r.Status == datastore.StatusDeleted {
		return r, failed(codeNotFound, "There is no data store with the ARN %s.", arn)
	}
	return r, nil
}
