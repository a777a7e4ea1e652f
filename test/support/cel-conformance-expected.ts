/** Of each section of the conformance data: how many cases can be asked, and those that have another outcome, with the reason. */
export type Expected = { readonly comparable: number; readonly fails: Readonly<Record<string, string>> };

const undeclared = "a name that does not exist is refused when the rule is written, also where || would hide it";
const qualified = "variables have no dots in their names";
const exact = "an int and a double are compared exactly; the case has what cel-go makes of it by rounding the int";

/** Each case of a list, for one reason. */
const because = (reason: string, ...names: readonly string[]) => Object.fromEntries(names.map((name) => [name, reason]));

const holds = (comparable: number): Expected => ({ comparable, fails: {} });

const reservedWords =
  "as break const continue else for function if import let loop package namespace return var void while".split(" ");

export const core: Readonly<Record<string, Expected>> = {
  basic: {
    comparable: 43,
    fails: because(undeclared, "variables/unbound_is_runtime_error", "functions/unbound", "functions/unbound_is_runtime_error"),
  },
  comparisons: {
    comparable: 362,
    fails: because(
      exact,
      "lt_literal/not_lt_dyn_int_big_lossy_double",
      "gt_literal/not_gt_dyn_big_double_int",
      "lte_literal/lte_dyn_big_double_int",
      "gte_literal/gte_dyn_int_big_lossy_double",
    ),
  },
  conversions: holds(109),
  dynamic: holds(53),
  enums: holds(0),
  fields: {
    comparable: 60,
    fails: because(
      qualified,
      "qualified_identifier_resolution/qualified_ident",
      "qualified_identifier_resolution/map_field_select",
      "qualified_identifier_resolution/qualified_identifier_resolution_unchecked",
      "qualified_identifier_resolution/ident_with_longest_prefix_check",
    ),
  },
  fp_math: holds(30),
  integer_math: holds(64),
  lists: holds(39),
  logic: holds(30),
  macros: holds(44),
  namespace: { comparable: 1, fails: because(qualified, "qualified/self_eval_qualified_lookup") },
  parse: { comparable: 193, fails: because(undeclared, ...reservedWords.map((word) => `receiver_function_names/${word}`)) },
  plumbing: holds(5),
  proto2: holds(0),
  proto3: holds(0),
  string: holds(51),
  timestamps: holds(76),
  type_deductions: holds(12),
  unknowns: holds(0),
  wrappers: holds(0),
};

export const extensions: Readonly<Record<string, Expected>> = {
  bindings_ext: holds(5),
  encoders_ext: holds(4),
  macros2: holds(46),
  math_ext: holds(199),
  optionals: holds(59),
  string_ext: holds(206),
};

export const missing: Readonly<Record<string, string>> = {
  block_ext: "cel.block is what an optimizer writes, not a person",
  proto2_ext: "rules see no messages with extensions",
};

const noMessages = "rules see no messages but the well-known ones";
const noFunctions = "the case declares functions of its own";

/** Of the types that the data says. */
export const deductions = {
  cases: 47,
  fails: {
    ...because(
      noMessages,
      "complex_initializers/struct",
      "field_access/int_field",
      "field_access/repeated_int_field",
      "field_access/map_bool_int",
      "field_access/enum_field",
      "field_access/repeated_enum_field",
      "field_access/enum_map_field",
      "flexible_type_parameter_assignment/comprehension_type_var_aliasing",
      "flexible_type_parameter_assignment/overload_type_var_aliasing",
      "legacy_nullable_types/null_assignable_to_message_parameter_candidate",
      "legacy_nullable_types/null_assignable_to_duration_parameter_candidate",
      "legacy_nullable_types/null_assignable_to_timestamp_parameter_candidate",
      "wrappers/wrapper_promotion",
      "wrappers/wrapper_promotion_2",
      "wrappers/wrapper_ternary_parameter_assignment",
      "wrappers/wrapper_ternary_parameter_assignment_2",
    ),
    ...because(
      noFunctions,
      "functions/function_result_type",
      "type_parameters/multiple_parameters_generality",
      "type_parameters/multiple_parameters_generality_2",
      "type_parameters/multiple_parameters_parameterized_ovl",
      "type_parameters/multiple_parameters_parameterized_ovl_2",
    ),
  } as Readonly<Record<string, string>>,
};
