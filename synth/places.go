package synth

import "time"

// A region is a metropolitan area with its own clinic and hospital.
type region struct {
	state  string
	fips   string // the state's number in driver's licence identifiers
	area   string // telephone area code
	zone   *zone
	towns  []town // the first has the hospital
	clinic string
	// hospital is the name of the region's hospital.
	hospital string
}

// A town is a place to live: real names and postal codes, invented streets.
type town struct {
	name, zip           string
	latitude, longitude float64
}

// A zone is a United States time zone with daylight saving time.
type zone struct{ standard, daylight *time.Location }

func newZone(hours int) *zone {
	return &zone{
		standard: time.FixedZone("", hours*3600),
		daylight: time.FixedZone("", (hours+1)*3600),
	}
}

var (
	eastern  = newZone(-5)
	central  = newZone(-6)
	mountain = newZone(-7)
	pacific  = newZone(-8)
)

// at is a local wall-clock time.
func (z *zone) at(year int, month time.Month, day, hour, minute int) time.Time {
	t := time.Date(year, month, day, hour, minute, 0, 0, z.standard)
	if summer(t) {
		return time.Date(year, month, day, hour, minute, 0, 0, z.daylight)
	}
	return t
}

// local is an instant as the zone's clocks show it.
func (z *zone) local(t time.Time) time.Time {
	if t = t.In(z.standard); summer(t) {
		return t.In(z.daylight)
	}
	return t
}

// summer says whether daylight saving time holds at a standard local time: by
// the rule since 2007, from the second Sunday in March to the first in
// November, at two o'clock. Records reach back little further than that.
func summer(t time.Time) bool {
	march := time.Date(t.Year(), time.March, 8, 2, 0, 0, 0, t.Location())
	from := march.AddDate(0, 0, (7-int(march.Weekday()))%7)
	november := time.Date(t.Year(), time.November, 1, 1, 0, 0, 0, t.Location())
	until := november.AddDate(0, 0, (7-int(november.Weekday()))%7)
	return !t.Before(from) && t.Before(until)
}

var regions = []region{
	{"MA", "25", "617", eastern, []town{{"Boston", "02118", 42.338, -71.070}, {"Cambridge", "02139", 42.365, -71.104},
		{"Quincy", "02169", 42.249, -71.000}, {"Somerville", "02143", 42.382, -71.100}}, "Copper Beech Family Medicine", "Boston Alder Hospital"},
	{"NY", "36", "212", eastern, []town{{"New York", "10016", 40.745, -73.978}, {"Brooklyn", "11201", 40.694, -73.990},
		{"Yonkers", "10701", 40.940, -73.886}, {"Astoria", "11102", 40.773, -73.926}}, "East River Community Clinic", "Gramercy Linden Hospital"},
	{"PA", "42", "215", eastern, []town{{"Philadelphia", "19104", 39.961, -75.199}, {"Upper Darby", "19082", 39.961, -75.270},
		{"Ardmore", "19003", 40.003, -75.297}, {"Norristown", "19401", 40.131, -75.332}}, "Schuylkill Primary Care", "Philadelphia Hawthorn Hospital"},
	{"GA", "13", "404", eastern, []town{{"Atlanta", "30309", 33.798, -84.388}, {"Decatur", "30030", 33.770, -84.296},
		{"Marietta", "30060", 33.938, -84.542}, {"Smyrna", "30080", 33.880, -84.504}}, "Magnolia Family Health", "Atlanta Dogwood Hospital"},
	{"FL", "12", "305", eastern, []town{{"Miami", "33130", 25.767, -80.205}, {"Hialeah", "33012", 25.865, -80.306},
		{"Coral Gables", "33134", 25.756, -80.270}, {"Miami Beach", "33139", 25.785, -80.156}}, "Biscayne Family Clinic", "Miami Banyan Hospital"},
	{"OH", "39", "614", eastern, []town{{"Columbus", "43215", 39.967, -83.004}, {"Dublin", "43017", 40.119, -83.131},
		{"Westerville", "43081", 40.108, -82.914}, {"Grove City", "43123", 39.883, -83.069}}, "Olentangy Primary Care", "Columbus Buckeye Hospital"},
	{"IL", "17", "312", central, []town{{"Chicago", "60612", 41.880, -87.687}, {"Evanston", "60201", 42.054, -87.694},
		{"Oak Park", "60302", 41.894, -87.790}, {"Cicero", "60804", 41.838, -87.760}}, "Prairie Lake Medical Group", "Chicago Cottonwood Hospital"},
	{"MN", "27", "612", central, []town{{"Minneapolis", "55414", 44.978, -93.220}, {"Saint Paul", "55104", 44.953, -93.158},
		{"Bloomington", "55420", 44.837, -93.276}, {"Edina", "55424", 44.905, -93.340}}, "North Star Family Practice", "Minneapolis Tamarack Hospital"},
	{"TX", "48", "713", central, []town{{"Houston", "77004", 29.725, -95.366}, {"Pasadena", "77502", 29.679, -95.198},
		{"Sugar Land", "77478", 29.622, -95.607}, {"Katy", "77450", 29.750, -95.736}}, "Bayou Family Health", "Houston Pecan Hospital"},
	{"CO", "08", "303", mountain, []town{{"Denver", "80203", 39.731, -104.982}, {"Aurora", "80012", 39.699, -104.838},
		{"Lakewood", "80226", 39.712, -105.067}, {"Boulder", "80302", 40.017, -105.285}}, "Front Range Family Medicine", "Denver Juniper Hospital"},
	{"WA", "53", "206", pacific, []town{{"Seattle", "98101", 47.611, -122.334}, {"Bellevue", "98004", 47.618, -122.205},
		{"Renton", "98055", 47.447, -122.200}, {"Tacoma", "98402", 47.255, -122.441}}, "Sound View Primary Care", "Seattle Madrona Hospital"},
	{"CA", "06", "213", pacific, []town{{"Los Angeles", "90015", 34.039, -118.266}, {"Long Beach", "90802", 33.769, -118.187},
		{"Pasadena", "91101", 34.146, -118.139}, {"Glendale", "91205", 34.137, -118.245}}, "Arroyo Community Health", "Los Angeles Sycamore Hospital"},
}
