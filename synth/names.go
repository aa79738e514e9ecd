package synth

import "math/rand/v2"

// A heritage is where a person's name comes from, with the race and ethnicity
// that the person states. Shares follow the United States roughly.
type heritage struct {
	weight                int
	race, ethnicity       code
	language              code
	foreign               float64 // share that prefers the language over English
	women, men, families  []string
	middle                bool // has middle names
	secondRace            code // stated by some
	secondRaceProbability float64
}

func race(c, display string) code { return code{systemCDCRace, c, display} }

var (
	raceWhite    = race("2106-3", "White")
	raceBlack    = race("2054-5", "Black or African American")
	raceAsian    = race("2028-9", "Asian")
	raceNative   = race("1002-5", "American Indian or Alaska Native")
	racePacific  = race("2076-8", "Native Hawaiian or Other Pacific Islander")
	hispanic     = race("2135-2", "Hispanic or Latino")
	nonHispanic  = race("2186-5", "Not Hispanic or Latino")
	english      = code{systemBCP47, "en", "English"}
	spanish      = code{systemBCP47, "es", "Spanish"}
	chinese      = code{systemBCP47, "zh", "Chinese"}
	vietnamese   = code{systemBCP47, "vi", "Vietnamese"}
	korean       = code{systemBCP47, "ko", "Korean"}
	heritageList = []heritage{
		{weight: 58, race: raceWhite, ethnicity: nonHispanic, language: english, women: womenEuropean, men: menEuropean,
			families: familiesEuropean, middle: true, secondRace: raceNative, secondRaceProbability: 0.02},
		{weight: 19, race: raceWhite, ethnicity: hispanic, language: spanish, foreign: 0.35, women: womenHispanic, men: menHispanic,
			families: familiesHispanic, secondRace: raceBlack, secondRaceProbability: 0.05},
		{weight: 13, race: raceBlack, ethnicity: nonHispanic, language: english, women: womenAfrican, men: menAfrican,
			families: familiesAfrican, middle: true, secondRace: raceWhite, secondRaceProbability: 0.06},
		{weight: 2, race: raceAsian, ethnicity: nonHispanic, language: chinese, foreign: 0.4, women: womenChinese, men: menChinese,
			families: familiesChinese},
		{weight: 2, race: raceAsian, ethnicity: nonHispanic, language: english, women: womenIndian, men: menIndian, families: familiesIndian},
		{weight: 2, race: raceAsian, ethnicity: nonHispanic, language: vietnamese, foreign: 0.4, women: womenVietnamese, men: menVietnamese,
			families: familiesVietnamese},
		{weight: 1, race: raceAsian, ethnicity: nonHispanic, language: korean, foreign: 0.4, women: womenKorean, men: menKorean,
			families: familiesKorean},
		{weight: 2, race: raceNative, ethnicity: nonHispanic, language: english, women: womenEuropean, men: menEuropean,
			families: familiesNative, middle: true, secondRace: raceWhite, secondRaceProbability: 0.3},
		{weight: 1, race: racePacific, ethnicity: nonHispanic, language: english, women: womenPacific, men: menPacific,
			families: familiesPacific, secondRace: raceAsian, secondRaceProbability: 0.2},
	}
)

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// pickWeighted picks an index by weight.
func pickWeighted(rng *rand.Rand, n int, weight func(int) int) int {
	total := 0
	for i := range n {
		total += weight(i)
	}
	at := rng.IntN(total)
	for i := range n {
		if at -= weight(i); at < 0 {
			return i
		}
	}
	return n - 1
}

var (
	womenEuropean = []string{"Emma", "Olivia", "Charlotte", "Amelia", "Abigail", "Hannah", "Grace", "Eleanor", "Margaret", "Dorothy",
		"Barbara", "Patricia", "Linda", "Susan", "Karen", "Nancy", "Lisa", "Sandra", "Ashley", "Jessica", "Sarah", "Megan", "Rachel",
		"Katherine", "Julia", "Claire", "Alice", "Ruth", "Helen", "Laura", "Amy", "Heather", "Nicole", "Molly", "Paige", "Holly", "Audrey",
		"Judith", "Carol", "Diane", "Joan", "Sheila", "Beatrice", "Harriet", "Nora", "Ingrid", "Greta", "Brigid", "Fiona", "Siobhan"}
	menEuropean = []string{"James", "John", "Robert", "Michael", "William", "David", "Richard", "Thomas", "Charles", "Daniel", "Matthew",
		"Andrew", "Paul", "Mark", "Steven", "Kevin", "Brian", "George", "Edward", "Henry", "Jack", "Oliver", "Samuel", "Benjamin", "Ethan",
		"Noah", "Lucas", "Owen", "Caleb", "Nathan", "Gregory", "Peter", "Walter", "Harold", "Arthur", "Frank", "Raymond", "Douglas",
		"Dennis", "Patrick", "Sean", "Ian", "Connor", "Liam", "Erik", "Lars", "Stefan", "Anton", "Felix", "Hugo"}
	familiesEuropean = []string{"Smith", "Miller", "Anderson", "Clark", "Baker", "Turner", "Phillips", "Campbell", "Parker", "Collins",
		"Stewart", "Morris", "Murphy", "Cook", "Rogers", "Peterson", "Cooper", "Reed", "Bailey", "Kelly", "Ward", "Watson", "Bennett",
		"Gray", "Hughes", "Price", "Myers", "Long", "Foster", "Sullivan", "Russell", "Fisher", "Hamilton", "Graham", "Wallace", "Hansen",
		"Larsen", "Olson", "Schmidt", "Wagner", "Weber", "Keller", "Novak", "Kowalski", "Nowak", "Romano", "Rossi", "Moretti", "O'Brien",
		"O'Connor", "McCarthy", "MacDonald", "Dubois", "Lefebvre", "Van Dyke", "Whitaker", "Thornton", "Haldane", "Penrose", "Ashworth"}
	womenHispanic = []string{"María", "Sofía", "Isabella", "Camila", "Valentina", "Lucía", "Elena", "Gabriela", "Daniela", "Carmen",
		"Rosa", "Ana", "Teresa", "Guadalupe", "Marisol", "Alejandra", "Verónica", "Leticia", "Yolanda", "Esperanza", "Paloma", "Ximena"}
	menHispanic = []string{"José", "Juan", "Luis", "Carlos", "Miguel", "Jorge", "Antonio", "Francisco", "Alejandro", "Diego", "Santiago",
		"Mateo", "Rafael", "Manuel", "Eduardo", "Ricardo", "Fernando", "Javier", "Andrés", "Héctor", "Raúl", "Emilio"}
	familiesHispanic = []string{"García", "Rodríguez", "Martínez", "Hernández", "López", "González", "Pérez", "Sánchez", "Ramírez",
		"Torres", "Flores", "Rivera", "Gómez", "Díaz", "Reyes", "Cruz", "Morales", "Ortiz", "Gutiérrez", "Chávez", "Ramos", "Mendoza",
		"Ruiz", "Álvarez", "Castillo", "Vargas", "Delgado", "Peña", "Núñez", "Cabrera"}
	womenAfrican = []string{"Aaliyah", "Imani", "Keisha", "Latoya", "Tanisha", "Jasmine", "Ebony", "Destiny", "Naomi", "Vivian",
		"Gloria", "Denise", "Monique", "Yvonne", "Brianna", "Kiara", "Zora", "Amara", "Nia", "Simone", "Bernice", "Ernestine"}
	menAfrican = []string{"Malik", "Jamal", "Darnell", "Terrence", "Andre", "Marcus", "Isaiah", "Elijah", "Xavier", "Jordan", "Reginald",
		"Cedric", "Clarence", "Curtis", "Jerome", "Tyrone", "DeShawn", "Kofi", "Kwame", "Langston", "Otis", "Roosevelt"}
	familiesAfrican = []string{"Washington", "Jefferson", "Jackson", "Williams", "Johnson", "Brown", "Davis", "Harris", "Robinson",
		"Walker", "Lewis", "Coleman", "Banks", "Booker", "Dorsey", "Gaines", "Mosley", "Rivers", "Hampton", "Franklin", "Ellison",
		"Okafor", "Mensah", "Adeyemi", "Diallo", "Baptiste"}
	womenChinese       = []string{"Mei", "Li", "Xiu", "Jing", "Yan", "Hui", "Fang", "Ying", "Lan", "Ning", "Grace", "Vivian"}
	menChinese         = []string{"Wei", "Jun", "Ming", "Hao", "Feng", "Lei", "Tao", "Bo", "Cheng", "Kai", "Kevin", "Jason"}
	familiesChinese    = []string{"Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Huang", "Zhao", "Wu", "Zhou", "Lin", "Chan"}
	womenIndian        = []string{"Priya", "Ananya", "Lakshmi", "Kavita", "Sunita", "Divya", "Meera", "Neha", "Asha", "Pooja"}
	menIndian          = []string{"Arjun", "Rahul", "Vikram", "Sanjay", "Rajesh", "Anil", "Rohan", "Deepak", "Suresh", "Kiran"}
	familiesIndian     = []string{"Patel", "Sharma", "Singh", "Gupta", "Reddy", "Iyer", "Nair", "Mehta", "Rao", "Desai", "Banerjee"}
	womenVietnamese    = []string{"Linh", "Mai", "Thuy", "Hoa", "Lan", "Huong", "Ngoc", "Phuong", "Trang", "Kim"}
	menVietnamese      = []string{"Minh", "Anh", "Duc", "Hung", "Tuan", "Long", "Khanh", "Quang", "Thanh", "Vinh"}
	familiesVietnamese = []string{"Nguyen", "Tran", "Le", "Pham", "Hoang", "Phan", "Vu", "Dang", "Bui", "Do"}
	womenKorean        = []string{"Ji-woo", "Seo-yeon", "Min-ji", "Hye-jin", "Soo-ah", "Yuna", "Eun-ji", "Hana"}
	menKorean          = []string{"Min-jun", "Seo-joon", "Ji-hoon", "Hyun-woo", "Dong-hyun", "Sung-min", "Jae", "Tae-yang"}
	familiesKorean     = []string{"Kim", "Lee", "Park", "Choi", "Jung", "Kang", "Cho", "Yoon"}
	familiesNative     = []string{"Begay", "Yazzie", "Tsosie", "Locklear", "Oxendine", "Whitehorse", "Redbird", "Hunter", "Sixkiller", "Bird"}
	womenPacific       = []string{"Leilani", "Malia", "Kalea", "Sina", "Lani", "Noelani", "Talia", "Moana"}
	menPacific         = []string{"Keoni", "Kai", "Makoa", "Sione", "Tavita", "Ikaika", "Koa", "Manu"}
	familiesPacific    = []string{"Kealoha", "Kahale", "Tuiasosopo", "Faleolo", "Mahoe", "Tupou", "Kamaka", "Akana"}
	streets            = []string{"Maple Street", "Oak Avenue", "Cedar Lane", "Elm Street", "Washington Avenue", "Park Place", "Lake Drive",
		"Hillcrest Road", "Sunset Boulevard", "River Road", "Church Street", "Highland Avenue", "Spring Street", "Chestnut Court",
		"Walnut Street", "Meadow Lane", "Franklin Street", "Lincoln Avenue", "Orchard Road", "Willow Way", "Birch Terrace", "Prospect Street"}
)
