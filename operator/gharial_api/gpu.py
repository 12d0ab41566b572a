"""How the pods of a cuda pool get a GPU. NVIDIA's own components hand them out; nothing here publishes them again."""

from typing import Literal

from pydantic import ConfigDict, Field

from gharial_api.base import ApiModel, cel, rules

#: The DRA driver that NVIDIA's GPUs are published by.
DRA_DRIVER = "gpu.nvidia.com"
#: The taint by which clouds and NVIDIA's documentation keep other pods off nodes with GPUs.
NODE_TAINT = "nvidia.com/gpu"
_BY_CLAIM = "self.claimBy == 'ResourceClaim'"


class GpuClaim(ApiModel):
    """How a pod asks for its GPU, and which one it may be."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                f"!has(self.productName) || {_BY_CLAIM}",
                "spec.gpu.productName is for claimBy ResourceClaim: with the device plugin name the product in "
                "spec.nodeSelector, such as nvidia.com/gpu.product: NVIDIA-L4",
                field_path=".productName",
            ),
            cel(
                f"!has(self.minMemory) || {_BY_CLAIM}",
                "spec.gpu.minMemory is for claimBy ResourceClaim: with the device plugin choose by spec.nodeSelector",
                field_path=".minMemory",
            ),
        )
    )

    claim_by: Literal["DevicePlugin", "ResourceClaim"] = "DevicePlugin"
    """DevicePlugin: a limit of resourceName, from NVIDIA's device plugin. ResourceClaim: a claim of deviceClassName,
    from NVIDIA's DRA driver."""
    resource_name: str = Field(
        default="nvidia.com/gpu",
        max_length=128,
        json_schema_extra=rules(
            cel(
                r"self.matches('^nvidia\\.com/[-a-zA-Z0-9_.]+$')",
                "spec.gpu.resourceName must be a resource of NVIDIA's device plugin, such as nvidia.com/gpu",
            )
        ),
    )
    """With DevicePlugin: the resource of which a pod takes one. nvidia.com/gpu.shared for renamed time slices,
    nvidia.com/mig-1g.10gb and the like for parts of a GPU."""
    device_class_name: str = Field(default="gpu.nvidia.com", min_length=1, max_length=253)
    """With ResourceClaim: the DeviceClass. mig.nvidia.com for parts of a GPU."""
    product_name: str | None = Field(default=None, min_length=1, max_length=64)
    """With ResourceClaim: take only this product, as NVIDIA calls it, such as NVIDIA L4."""
    min_memory: str | None = Field(
        default=None,
        max_length=16,
        json_schema_extra=rules(
            cel(
                "isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))",
                "spec.gpu.minMemory must be a quantity above 0, such as 20Gi",
            )
        ),
    )
    """With ResourceClaim: take only GPUs with this much memory or more."""
    runtime_class_name: str | None = Field(default=None, min_length=1, max_length=253)
    """RuntimeClass of the server pods, such as nvidia, where NVIDIA's runtime is not the nodes' default."""
