package ucum

import (
	"math/big"
	"strings"
	"sync"
)

// A unit is one row of the tables below.
type unit struct {
	metric bool // may have a prefix
	value  *big.Rat
	of     string // a UCUM code; "" for a base unit

	once  sync.Once
	known measure
}

// A scale is a unit whose zero is not that of its base unit:
// (x + offset) × factor kelvin.
type scale struct{ offset, factor *big.Rat }

var scales = map[string]scale{
	"Cel":    {rational("273.15"), rational("1")},
	"[degF]": {rational("459.67"), rational("5/9")},
}

// A prefix multiplies a metric unit. Longer ones come first.
type prefix struct {
	symbol string
	factor *big.Rat
}

var prefixes = []prefix{
	{"da", rational("10")},
	{"Ki", rational("1024")}, {"Mi", rational("1048576")}, {"Gi", rational("1073741824")}, {"Ti", rational("1099511627776")},
	{"Y", rational("1e24")}, {"Z", rational("1e21")}, {"E", rational("1e18")}, {"P", rational("1e15")},
	{"T", rational("1e12")}, {"G", rational("1e9")}, {"M", rational("1e6")}, {"k", rational("1e3")},
	{"h", rational("1e2")}, {"d", rational("1e-1")}, {"c", rational("1e-2")}, {"m", rational("1e-3")},
	{"u", rational("1e-6")}, {"n", rational("1e-9")}, {"p", rational("1e-12")}, {"f", rational("1e-15")},
	{"a", rational("1e-18")}, {"z", rational("1e-21")}, {"y", rational("1e-24")},
}

// Rows are separated by semicolons: the code, the number of units, and the
// unit; a base unit has its code only.

// metricRows may have prefixes.
const metricRows = `
m; s; g; rad; K; C; cd;
mol 6.0221367 10*23; eq 1 mol; osm 1 mol; kat 1 mol/s; U 1 umol/min;
l 1 dm3; L 1 dm3; ar 100 m2; st 1 m3; t 1e3 kg; u 1.6605402e-24 g; g% 1 g/dl;
Hz 1 s-1; N 1 kg.m/s2; Pa 1 N/m2; J 1 N.m; W 1 J/s; bar 1e5 Pa; m[Hg] 133.322 kPa; m[H2O] 9.80665 kPa;
A 1 C/s; V 1 J/C; F 1 C/V; Ohm 1 V/A; S 1 A/V; mho 1 A/V; Wb 1 V.s; T 1 Wb/m2; H 1 Wb/A; G 1e-4 T; Mx 1e-8 Wb; Bi 10 A;
eV 1.60217733e-19 J; [e] 1.60217733e-19 C; [c] 299792458 m/s; [g] 9.80665 m/s2; [G] 6.67259e-11 m3/kg/s2;
[h] 6.6260755e-34 J.s; [k] 1.380658e-23 J/K; [m_e] 9.1093897e-28 g; [m_p] 1.6726231e-24 g; [eps_0] 8.854187817e-12 F/m;
sr 1 rad2; lm 1 cd.sr; lx 1 lm/m2; sb 1 cd/cm2;
Bq 1 s-1; Gy 1 J/kg; Sv 1 J/kg; Ci 37e9 Bq; R 2.58e-4 C/kg; RAD 0.01 J/kg; REM 0.01 J/kg;
dyn 1e-5 N; erg 1e-7 J; P 0.1 Pa.s; St 1 cm2/s; Gal 1 cm/s2; Ky 1 cm-1; gf 9.80665e-3 N;
pc 3.085678e16 m; [ly] 9460730472580800 m; tex 1 g/km;
cal 4.184 J; cal_th 4.184 J; cal_IT 4.1868 J; cal_m 4.19002 J; cal_[15] 4.1858 J; cal_[20] 4.1819 J;
bit 1 1; By 8 1; Bd 1 s-1;
[iU]; [IU] 1 [iU]; Np; B; B[SPL]; B[V]; B[mV]; B[uV]; B[10.nV]; B[W]; B[kW];
`

// otherRows have no prefixes.
const otherRows = `
10* 10 1; 10^ 10 1; [pi] 3.1415926535897932384626433832795028841971693993751058209749445923 1;
% 1e-2 1; [ppth] 1e-3 1; [ppm] 1e-6 1; [ppb] 1e-9 1; [pptr] 1e-12 1;
min 60 s; h 3600 s; d 86400 s; wk 7 d; a 365.25 d; a_j 365.25 d; a_t 365.24219 d; a_g 365.2425 d;
mo 30.4375 d; mo_j 30.4375 d; mo_s 29.53059 d; mo_g 30.436875 d;
deg 2 [pi].rad/360; gon 0.9 deg; ' 1 deg/60; '' 1 deg/3600; circ 2 [pi].rad; sph 4 [pi].sr;
atm 101325 Pa; att 98066.5 Pa; AU 149597870691 m; Ao 0.1 nm; b 100 fm2;
[in_i] 2.54 cm; [ft_i] 12 [in_i]; [yd_i] 3 [ft_i]; [mi_i] 5280 [ft_i]; [nmi_i] 1852 m; [fth_i] 6 [ft_i];
[kn_i] 1 [nmi_i]/h; [hd_i] 4 [in_i]; [mil_i] 1e-3 [in_i]; [cml_i] 1 [pi].[mil_i]2/4; [smoot] 67 [in_i]; [mesh_i] 1 [in_i]-1;
[sin_i] 1 [in_i]2; [sft_i] 1 [ft_i]2; [syd_i] 1 [yd_i]2; [cin_i] 1 [in_i]3; [cft_i] 1 [ft_i]3; [cyd_i] 1 [yd_i]3;
[bf_i] 144 [in_i]3; [cr_i] 128 [ft_i]3;
[ft_us] 1200 m/3937; [in_us] 1 [ft_us]/12; [yd_us] 3 [ft_us]; [rd_us] 16.5 [ft_us]; [ch_us] 66 [ft_us]; [lk_us] 0.66 [ft_us];
[fth_us] 6 [ft_us]; [fur_us] 660 [ft_us]; [mi_us] 5280 [ft_us]; [mil_us] 1e-3 [in_us];
[acr_us] 43560 [ft_us]2; [srd_us] 1 [rd_us]2; [smi_us] 1 [mi_us]2; [sct] 1 [mi_us]2; [twp] 36 [mi_us]2;
[in_br] 2.539998 cm; [ft_br] 12 [in_br]; [yd_br] 3 [ft_br]; [mi_br] 5280 [ft_br]; [acr_br] 4840 [yd_br]2;
[gal_us] 231 [in_i]3; [qt_us] 1 [gal_us]/4; [pt_us] 1 [gal_us]/8; [gil_us] 1 [gal_us]/32; [foz_us] 1 [gal_us]/128;
[fdr_us] 1 [foz_us]/8; [min_us] 1 [fdr_us]/60; [bbl_us] 42 [gal_us]; [cup_us] 8 [foz_us]; [tbs_us] 1 [foz_us]/2; [tsp_us] 1 [foz_us]/6;
[bu_us] 2150.42 [in_i]3; [pk_us] 1 [bu_us]/4; [dqt_us] 1 [bu_us]/32; [dpt_us] 1 [bu_us]/64; [gal_wi] 1 [bu_us]/8; [crd_us] 128 [ft_i]3;
[foz_m] 30 ml; [cup_m] 240 ml; [tsp_m] 5 ml; [tbs_m] 15 ml;
[gal_br] 4.54609 l; [qt_br] 1 [gal_br]/4; [pt_br] 1 [gal_br]/8; [gil_br] 1 [gal_br]/32; [foz_br] 1 [gal_br]/160;
[fdr_br] 1 [foz_br]/8; [min_br] 1 [fdr_br]/60; [pk_br] 2 [gal_br]; [bu_br] 8 [gal_br];
[gr] 64.79891 mg; [lb_av] 7000 [gr]; [oz_av] 1 [lb_av]/16; [dr_av] 1 [oz_av]/16; [stone_av] 14 [lb_av];
[scwt_av] 100 [lb_av]; [lcwt_av] 112 [lb_av]; [ston_av] 2000 [lb_av]; [lton_av] 2240 [lb_av]; [lbf_av] 1 [lb_av].[g];
[pwt_tr] 24 [gr]; [oz_tr] 480 [gr]; [lb_tr] 5760 [gr]; [sc_ap] 20 [gr]; [dr_ap] 60 [gr]; [oz_ap] 480 [gr]; [lb_ap] 5760 [gr];
[oz_m] 28 g; [car_m] 0.2 g; [car_Au] 1 1/24;
[lne] 1 [in_i]/12; [pnt] 1 [in_i]/72; [pca] 1 [in_i]/6;
[degR] 5 K/9; [psi] 1 [lbf_av]/[in_i]2; [HP] 550 [ft_i].[lbf_av]/s; [den] 1 g/9/km;
[Cal] 4184 J; [Btu] 1054.35 J; [Btu_th] 1054.35 J; [Btu_IT] 1055.05585262 J; [Btu_m] 1055.87 J; [Btu_39] 1059.67 J; [Btu_59] 1054.8 J; [Btu_60] 1054.68 J;
[in_i'H2O] 2.54 cm[H2O]; [in_i'Hg] 2.54 cm[Hg]; [PRU] 1 mm[Hg].s/ml; [wood'U] 1 mm[Hg].min/L;
[diop] 1 m-1; [Ch] 1 mm/3; [drp] 1 ml/20; [MET] 3.5 mL/min/kg; [S] 1e-13 s; [HPF] 1 1; [LPF] 100 1; [hnsf'U] 1 1;
[arb'U]; [USP'U]; [GPL'U]; [MPL'U]; [APL'U]; [beth'U]; [anti'Xa'U]; [todd'U]; [dye'U]; [smgy'U]; [bdsk'U]; [ka'U]; [knk'U]; [mclg'U];
[tb'U]; [CCID_50]; [TCID_50]; [EID_50]; [PFU]; [FFU]; [CFU]; [IR]; [BAU]; [AU]; [Amb'a'1'U]; [PNU]; [Lf]; [D'ag'U]; [FEU]; [ELU]; [EU];
[hp_X]; [hp_C]; [hp_M]; [hp_Q]; [kp_X]; [kp_C]; [kp_M]; [kp_Q];
[pH]; [p'diop]; %[slope]; bit_s; [m/s2/Hz^(1/2)]; [degRe];
`

var units = readRows()

func readRows() map[string]*unit {
	all := map[string]*unit{}
	for metric, rows := range map[bool]string{true: metricRows, false: otherRows} {
		for row := range strings.SplitSeq(rows, ";") {
			fields := strings.Fields(row)
			switch len(fields) {
			case 0:
				continue
			case 1:
				all[fields[0]] = &unit{metric: metric, value: rational("1")}
			default:
				all[fields[0]] = &unit{metric: metric, value: rational(fields[1]), of: strings.Join(fields[2:], " ")}
			}
		}
	}
	return all
}
